export {
  coordinate,
  coordinates,
  describeMesh,
  members,
  rankAt,
  worldSize,
  type Coordinates,
  type Mesh,
  type MeshAxis,
} from "./mesh.js";
export { dividesEvenly, evenRange, UNSHARDED, type Range, type ShardIndex } from "./shard_index.js";
