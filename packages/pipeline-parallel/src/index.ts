export {
  endsBackward,
  parseSchedule,
  show,
  showAction,
  type Action,
  type ActionKind,
  type Pipeline,
  type Schedule,
} from "./action.js";
export { oneStage, pipelineAxis, type PipelineAxis, type PipelineOptions } from "./axis.js";
export { drawSvg, drawText, type DrawOptions } from "./draw.js";
export {
  execute,
  executeForward,
  type Execution,
  type ForwardPart,
  type InputHalf,
  type Message,
  type Part,
} from "./execute.js";
export { deferGradients, type DeferredGradients } from "./defer_gradients.js";
export { scheduleKinds, schedulesOf, type ScheduleKind, type ScheduleMaker } from "./schedules.js";
export { simulate, USUAL, type Durations, type Played, type Timeline } from "./simulate.js";
export { splitAsWritten, splitByCost, splitEvenly, type Costs } from "./split_layers.js";
