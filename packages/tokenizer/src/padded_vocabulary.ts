/**
 * Megatron's padded vocabulary: `size` rounded up to a multiple of `divisibleBy` (its
 * `--make-vocab-size-divisible-by`) times the number of tensor-parallel ranks.
 */
export function paddedVocabularySize(
  size: number,
  { divisibleBy = 128, tensorParallel = 1 } = {},
): number {
  const multiple = divisibleBy * tensorParallel;
  return Math.ceil(size / multiple) * multiple;
}
