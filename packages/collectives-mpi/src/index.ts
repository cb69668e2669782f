export { isAvailable, joinWorld, type WorldOptions } from "./join_world.js";
