export { split, splitTokens } from "./region.js";
export { shareOf, wholeOf } from "./shares.js";
export { alone, partOf, tensorAxis, type TensorAxis } from "./axis.js";
