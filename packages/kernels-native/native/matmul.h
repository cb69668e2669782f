// Matrix products through oneDNN.
#pragma once

#include <optional>

#include "kernel.h"

namespace tessera {

/**
 * A matrix, or a batch of them, row-major; `transposed` means that the product takes its transpose.
 */
struct Matrix {
  const void* data;
  Type type;
  int64_t rows, columns;  // as the product sees it, after the transpose
  bool transposed = false;
  /** In oneDNN's preferred layout instead of row-major. */
  bool packed = false;
};

struct Product {
  Matrix a, b;
  void* out;
  Type outType;
  /** [columns] fp32, or null. */
  const float* bias = nullptr;
  int64_t batch = 1;
  /** 0 where every matrix of the batch is the same one. */
  int64_t batchA = 1, batchB = 1;
};

/** The type that operands of products of `type` are rounded to: bf16, or fp32 for all else. */
inline Type productType(Type type) { return type == Type::bf16 ? Type::bf16 : Type::f32; }

/** A tensor in storage `type`: itself, or a converted copy in scratch memory. */
class Converted {
 public:
  Converted(const View& view, Type type, Pool& pool);
  const View& view() const { return view_; }

 private:
  View view_;
  std::optional<Scratch<char>> scratch_;
};

/** out = a b (+ bias). Mixed storages are converted to a's, fp16 to fp32. */
void multiply(const Product& product, Pool& pool);

}  // namespace tessera
