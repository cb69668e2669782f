export {
  endsBackward,
  parseSchedule,
  formatSchedule,
  formatAction,
  type Action,
  type ActionKind,
  type Pipeline,
  type PipelineSchedule,
} from "./action.js";
export { pipelineAxis, type PipelineAxis, type PipelineOptions } from "./axis.js";
export { drawSvg, drawText, type DrawOptions } from "./draw.js";
export {
  execute,
  executeForward,
  type Execution,
  type ForwardChunk,
  type InputHalf,
  type Message,
  type PipelineChunk,
} from "./execute.js";
export { deferGradients, type DeferredGradients } from "./defer_gradients.js";
export {
  checkSchedule,
  scheduleKinds,
  createSchedules,
  type ScheduleKind,
  type ScheduleMaker,
} from "./schedules.js";
export {
  simulate,
  DEFAULT_DURATIONS,
  type Durations,
  type TimedAction,
  type Timeline,
} from "./simulate.js";
export { splitAsWritten, splitByCost, splitEvenly, type Costs } from "./split_layers.js";
