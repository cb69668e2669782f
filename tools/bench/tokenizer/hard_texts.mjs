// Texts that make some tokenizers slow, and how fast ours takes them.

import { gpt2Tokenizer } from "@tessera/tokenizer";

/** @param {number} count */
function randomBytes(count) {
  const bytes = Buffer.alloc(count);
  let state = 1;
  for (let i = 0; i < count; i += 1) {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** @param {number} count */
function hardTexts(count) {
  const random = randomBytes(count);
  return {
    "one letter": Buffer.alloc(count, "a"),
    spaces: Buffer.alloc(count, " "),
    emoji: Buffer.alloc(count, "\u{1f642}"),
    "random bytes": random,
    "random letters": Buffer.from(random.map((byte) => 97 + (byte % 26))),
  };
}

/**
 * Megabytes per second of each text of `count` bytes, the best of `rounds` new tokenizers.
 * @param {number} count
 * @param {number} rounds
 */
export function measureHardTexts(count, rounds) {
  const results = Object.entries(hardTexts(count)).map(([name, bytes]) => ({
    name,
    bytes,
    speed: 0,
  }));
  for (let round = 0; round < rounds; round += 1) {
    const tokenizer = gpt2Tokenizer();
    for (const one of results) {
      const start = performance.now();
      tokenizer.encodeBytes(one.bytes);
      one.speed = Math.max(one.speed, one.bytes.length / 1e3 / (performance.now() - start));
    }
  }
  return results.map(({ name, speed }) => ({ name, speed }));
}
