import { UserError, type Flag } from "@tessera/config";

/** Trainer's `--report_to`: whether TensorBoard's event files are asked for. */
export const reportTo: Flag<boolean | undefined> = {
  help: "tensorboard, or none; metrics.jsonl is always written",
  placeholder: "NAME",
  fallback: undefined,
  valueOptional: false,
  many: true,
  parse(names) {
    const known = ["none", "all", "tensorboard"];
    const unknown = names.find((name) => !known.includes(name));
    if (unknown !== undefined) {
      throw new UserError(`${unknown} is not written; tensorboard and metrics.jsonl are`);
    }
    return names.some((name) => name !== "none");
  },
};
