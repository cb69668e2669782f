// `@tessera/files/corpus`: files of text to learn from.

export { kindOfCorpus, type CorpusKind } from "./corpus/kinds.js";
export { findFault, readBlocks, type TextBlock } from "./corpus/read_blocks.js";
export { parseDocument, parseFields } from "./corpus/parse_document.js";
