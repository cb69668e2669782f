// `@tessera/checkpoint/adapters`: low-rank adapters, in files as PEFT has them, and merged into their models.

export {
  mergeLora,
  readAdapterConfig,
  withAdapter,
  withFreshLora,
} from "./adapter/adapted_model.js";
export {
  chooseLora,
  openToAdapt,
  type AdaptNames,
  type AdaptRequest,
} from "./adapter/choose_lora.js";
export { checkAdapterFiles, exportAdapter, writeAdapter } from "./adapter/write_adapter.js";
