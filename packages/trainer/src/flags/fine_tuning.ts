import { list, number, text, toggle } from "@tessera/config";

/** What is trained of a model that a run starts from. */
export const fineTuningFlags = {
  rank: number("rank of low-rank adapters (LoRA), which are trained in place of the model", {
    min: 1,
    whole: true,
  }),
  alpha: number("their factor is alpha / rank; as large as the rank if not said", { above: 0 }),
  rankStabilized: toggle("their factor is alpha / sqrt(rank)", false),
  dropout: number("probability of dropping their input", { min: 0, below: 1 }),
  targets: list(
    "linear layers that have one: q_proj k_proj v_proj o_proj gate_proj up_proj down_proj; all if not said",
    "NAME",
  ),
  adapter: text("adapters to go on from, as PEFT saves them", "FOLDER"),
  adapterFolder: text("once trained, the adapters go here, as PEFT saves them", "FOLDER"),
  frozen: list("parameters that are not trained, by path; * for any characters", "PATTERN"),
};
