// `@tessera/checkpoint/specials`: which ids begin, end and pad the texts of a model, and what else its files ask for.

export { findUnfollowedSettings } from "./hugging_face/generation_settings.js";
export {
  readSpecialTokenIds,
  specialTokensOf,
  type SpecialTokenIds,
} from "./hugging_face/special_token_ids.js";
