export {
  openEventFile,
  type EventFile,
  type EventFileOptions,
  type Restart,
} from "./event_file.js";
