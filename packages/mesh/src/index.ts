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
export { sharesEvenly, span, WHOLE, type Part, type Span } from "./part.js";
