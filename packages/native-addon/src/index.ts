export { addonHeaders, compile, install, type Definitions } from "./compile.js";
