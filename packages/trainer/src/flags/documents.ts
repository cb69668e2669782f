import { toggle } from "@tessera/config";

/** What the end of a document changes for the tokens of a sample: for `maskOptions` of @tessera/data. */
export const documentFlags = {
  maskLoss: toggle("no loss where the input is the end of a document", false),
  resetPositions: toggle("positions restart after the end of a document", false),
  resetAttention: toggle("tokens attend to those of their own document alone", false),
};
