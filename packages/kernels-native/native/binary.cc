// Elementwise operations on two tensors with broadcasting, as tfjs defines it.
#include "parallel.h"

namespace tessera {
namespace {

/** The output as loops over outer dimensions around a contiguous inner run. */
struct Broadcast {
  std::vector<int64_t> extents, stepsA, stepsB;  // outer dimensions, slowest first
  int64_t inner = 1, innerA = 0, innerB = 0;     // elements of a run; 0 or 1 step within it

  Broadcast(const Shape& a, const Shape& b, const Shape& out) {
    const auto steps = [&out](const Shape& shape) {
      std::vector<int64_t> result(out.size(), 0);
      int64_t step = 1;
      for (size_t i = 0; i < shape.size(); ++i) {
        const size_t from = shape.size() - 1 - i;
        if (shape[from] != 1) result[out.size() - 1 - i] = step;
        step *= shape[from];
      }
      return result;
    };
    const auto allStepsA = steps(a), allStepsB = steps(b);
    size_t dim = out.size();
    // Merges dimensions into the inner run while both operands stay contiguous or constant.
    while (dim > 0) {
      const int64_t extent = out[dim - 1], stepA = allStepsA[dim - 1], stepB = allStepsB[dim - 1];
      if (inner == 1 && extent != 1) {
        innerA = stepA;
        innerB = stepB;
      } else if (extent != 1 && (stepA != innerA * inner || stepB != innerB * inner)) {
        break;
      }
      inner *= extent;
      --dim;
    }
    extents.assign(out.begin(), out.begin() + dim);
    stepsA.assign(allStepsA.begin(), allStepsA.begin() + dim);
    stepsB.assign(allStepsB.begin(), allStepsB.begin() + dim);
  }

  int64_t runs() const {
    int64_t product = 1;
    for (const int64_t extent : extents) product *= extent;
    return product;
  }
  int64_t offset(int64_t run, const std::vector<int64_t>& steps) const {
    int64_t result = 0;
    for (size_t dim = extents.size(); dim-- > 0;) {
      result += run % extents[dim] * steps[dim];
      run /= extents[dim];
    }
    return result;
  }
};

/** y = op(a, b) for one chunk; an operand may be a single value. */
template <typename Op>
void chunk(const float* a, bool oneA, const float* b, bool oneB, float* y, int64_t count, Op op) {
  if (oneA) {
    const float value = a[0];
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) y[i] = op(value, b[i]);
  } else if (oneB) {
    const float value = b[0];
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) y[i] = op(a[i], value);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) y[i] = op(a[i], b[i]);
  }
}

template <typename Op>
void binary(const Call& call) {
  const View &a = call.in[0], &b = call.in[1], &y = call.out[0];
  const Broadcast broadcast(a.shape, b.shape, y.shape);
  const int64_t inner = broadcast.inner, runs = broadcast.runs();
  const int64_t chunks = inner == 0 ? 0 : (inner + kChunk - 1) / kChunk;
#pragma omp parallel for schedule(static) if (runs * inner >= kMinParallelSize)
  for (int64_t chunkIndex = 0; chunkIndex < runs * chunks; ++chunkIndex) {
    alignas(64) float scratchA[kChunk], scratchB[kChunk], scratchY[kChunk];
    const int64_t run = chunkIndex / chunks, first = chunkIndex % chunks * kChunk;
    const int64_t count = std::min(kChunk, inner - first);
    const bool oneA = broadcast.innerA == 0, oneB = broadcast.innerB == 0;
    const int64_t fromA = broadcast.offset(run, broadcast.stepsA) + (oneA ? 0 : first);
    const int64_t fromB = broadcast.offset(run, broadcast.stepsB) + (oneB ? 0 : first);
    const float* left = load(a, fromA, oneA ? 1 : count, scratchA);
    const float* right = load(b, fromB, oneB ? 1 : count, scratchB);
    float* result = target(y, run * inner + first, scratchY);
    if (oneA && oneB) {
      std::fill_n(result, count, Op{}(left[0], right[0]));
    } else {
      chunk(left, oneA, right, oneB, result, count, Op{});
    }
    store(y, run * inner + first, count, result);
  }
}

struct Add {
  float operator()(float a, float b) const { return a + b; }
};
struct Sub {
  float operator()(float a, float b) const { return a - b; }
};
/** NaN where either is. */
struct Maximum {
  float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};
struct Minimum {
  float operator()(float a, float b) const { return a < b || a != a ? a : b; }
};
struct Multiply {
  float operator()(float a, float b) const { return a * b; }
};
struct RealDiv {
  float operator()(float a, float b) const { return a / b; }
};

const RegisterKernel registerAdd({"Add", {"a", "b"}, {"y"}, {}, binary<Add>});
const RegisterKernel registerSub({"Sub", {"a", "b"}, {"y"}, {}, binary<Sub>});
const RegisterKernel registerMaximum({"Maximum", {"a", "b"}, {"y"}, {}, binary<Maximum>});
const RegisterKernel registerMinimum({"Minimum", {"a", "b"}, {"y"}, {}, binary<Minimum>});
const RegisterKernel registerMultiply({"Multiply", {"a", "b"}, {"y"}, {}, binary<Multiply>});
const RegisterKernel registerRealDiv({"RealDiv", {"a", "b"}, {"y"}, {}, binary<RealDiv>});

}  // namespace
}  // namespace tessera
