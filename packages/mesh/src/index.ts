export {
  AXES,
  coordinate,
  coordinates,
  members,
  rankAt,
  single,
  worldSize,
  type Axis,
  type Coordinates,
  type Degrees,
} from "./mesh.js";
export { dividesEvenly, evenRange, UNSHARDED, type ShardIndex, type Range } from "./shard_index.js";
