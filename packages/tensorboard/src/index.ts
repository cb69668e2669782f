export { openEventFile, type EventFile } from "./event_file.js";
