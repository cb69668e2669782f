export { streamKey, type Key } from "./key.js";
export { fillNormal, fillUniform, philox, uniformAt } from "./philox.js";
export { permutation } from "./permutation.js";
export { runs, wholeWindow, type Run, type Window } from "./window.js";
