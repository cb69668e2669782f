export { isAvailable, joinWorld, type WorldOptions } from "./join_world.js";
export { surveyMpi } from "./survey.js";
export { findLoopback, type Survey } from "./addon.js";
