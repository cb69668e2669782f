// SentencePiece's tokenizer.model, as far as training on data that is tokenized already needs it: how many ids there
// are, and which one ends documents. Texts are not encoded by it. The file is a protocol buffer, ModelProto.

import { UserError } from "@tessera/config";
import { readBytes } from "@tessera/files";

/** Models of a million pieces have less. */
const MAX_BYTES = 2 ** 28;

const PIECES = 1;
const TRAINER_SPEC = 2;
/** In the trainer's specification. Where it is not written it is 2; -1 is none. */
const EOS_ID = 42;
const USUAL_EOS = 2;

/** What is read of a SentencePiece model: its size and its end, not its pieces. */
export interface SentencePieceVocabulary {
  /** Number of pieces. */
  readonly size: number;
  /** The id of `</s>`; null where there is none. */
  readonly endOfText: number | null;
}

/**
 * Reads the size of a SentencePiece vocabulary from its `tokenizer.model`.
 * @throws UserError where the file cannot be read, or is no model of SentencePiece.
 */
export function readSentencePiece(path: string): SentencePieceVocabulary {
  const bytes = readBytes(path, MAX_BYTES);
  const fields = [...fieldsOf(bytes, path)];
  const size = fields.filter(({ number }) => number === PIECES).length;
  const spec = fields.find(({ number }) => number === TRAINER_SPEC)?.bytes;
  if (size === 0 || spec === undefined) throw refusal(path);
  const written = [...fieldsOf(spec, path)].find(({ number }) => number === EOS_ID)?.value;
  const end = written === undefined ? USUAL_EOS : Number(BigInt.asIntN(32, written));
  if (end >= size) throw refusal(path);
  return { size, endOfText: end < 0 ? null : end };
}

const refusal = (path: string): UserError =>
  new UserError(`${path}: is no model of SentencePiece, or is damaged`);

interface Field {
  readonly number: number;
  /** Of a message or text. */
  readonly bytes?: Uint8Array;
  /** Of a number. */
  readonly value?: bigint;
}

/** The fields of a protocol buffer's message, which end where it ends. */
function* fieldsOf(message: Uint8Array, path: string): Generator<Field> {
  let at = 0;
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) throw refusal(path);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw refusal(path);
  };
  const take = (length: number): Uint8Array => {
    if (length > message.length - at) throw refusal(path);
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(readVarint());
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { number, value: readVarint() };
        break;
      case 1:
        yield { number, bytes: take(8) };
        break;
      case 2:
        yield { number, bytes: take(Number(readVarint())) };
        break;
      case 5:
        yield { number, bytes: take(4) };
        break;
      default:
        throw refusal(path);
    }
  }
}
