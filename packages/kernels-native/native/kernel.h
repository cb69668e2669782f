// A native kernel: its name, the names of its arguments, and a function over views. The names
// repeat the TypeScript contract, so that a test can compare the two. Neither this file nor the
// kernels know JavaScript.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "pool.h"

namespace tessera {

/** Element types, in the order of STORAGES in packages/kernels/src/storage.ts. */
enum class Type : uint8_t { f32, i32, u8, bf16, f16, i8 };

using Shape = std::vector<int64_t>;

inline int64_t bytesPer(Type type) {
  switch (type) {
    case Type::f32:
    case Type::i32:
      return 4;
    case Type::bf16:
    case Type::f16:
      return 2;
    case Type::u8:
    case Type::i8:
      return 1;
  }
  return 0;
}

/** Consecutive elements in int8 that share a scale. */
constexpr int64_t kInt8Block = 64;

/** Blocks of `size` elements in int8. */
inline int64_t int8Blocks(int64_t size) { return (size + kInt8Block - 1) / kInt8Block; }

/** Bytes of `size` elements. Behind full blocks of int8 are the scales of all blocks, in fp32. */
inline int64_t bytesOf(Type type, int64_t size) {
  if (type != Type::i8) return size * bytesPer(type);
  return int8Blocks(size) * (kInt8Block + static_cast<int64_t>(sizeof(float)));
}

/** A dense row-major tensor that somebody else owns. */
struct View {
  void* data;
  Type type;
  Shape shape;

  int64_t size() const {
    int64_t product = 1;
    for (const int64_t extent : shape) product *= extent;
    return product;
  }
  int64_t width() const { return shape.empty() ? 1 : shape.back(); }
  /** Rows of the tensor seen as a matrix [rows, width]. */
  int64_t rows() const { return width() == 0 ? 0 : size() / width(); }
  int64_t extent(size_t dim) const { return shape.at(dim); }

  /** The elements, which must be of type T. */
  float* floats() const { return as<float>(Type::f32); }
  int32_t* ints() const { return as<int32_t>(Type::i32); }

 private:
  template <typename T>
  T* as(Type expected) const {
    if (type != expected)
      throw std::invalid_argument("a tensor has another storage than the kernel reads");
    return static_cast<T*>(data);
  }
};

/** One attribute: a number or a boolean is a list of one, a string is text. */
struct Attribute {
  std::vector<double> numbers;
  std::string text;
};

struct Kernel;

/**
 * One call of a kernel. `in` holds the tensors of its lists, then its inputs, then its optional
 * inputs, of which absent ones have no data; `out` the same of outputs, without absent ones. `pool`
 * lends scratch memory.
 */
struct Call {
  const Kernel& kernel;
  std::vector<View> in;
  std::vector<View> out;
  std::vector<Attribute> attributes;
  Pool& pool;

  /** Whether an optional input is there. */
  bool has(size_t input) const { return in[input].data != nullptr; }
  /** The tensors of the kernel's list `i`. All lists of a call have one length. */
  std::span<const View> list(size_t i) const {
    return {in.data() + i * listLength(), listLength()};
  }
  std::span<const View> outList(size_t i) const {
    return {out.data() + i * listLength(), listLength()};
  }
  size_t listLength() const;

  const Attribute& attribute(const char* name) const;
  double number(const char* name) const { return attribute(name).numbers.at(0); }
  /** A whole number, or the greatest of them for infinity. */
  int64_t count(const char* name) const {
    constexpr double kLargest = 1LL << 53;
    return static_cast<int64_t>(std::min(number(name), kLargest));
  }
  bool flag(const char* name) const { return number(name) != 0; }
  const std::vector<double>& numbers(const char* name) const { return attribute(name).numbers; }
  const std::string& text(const char* name) const { return attribute(name).text; }
};

/** An output that is written over an input. */
struct InPlace {
  std::string output, input;
};

struct Kernel {
  std::string name;
  std::vector<std::string> inputs = {}, outputs = {}, attributes = {};
  void (*run)(const Call& call);
  std::vector<InPlace> inPlace = {};
  /**
   * Outputs that are fp32 whatever the inputs are. The others have the storage of the first float
   * input.
   */
  std::vector<std::string> fp32Outputs = {};
  std::vector<std::string> optionalInputs = {}, optionalOutputs = {};
  /** Inputs and outputs that are lists of tensors. */
  std::vector<std::string> lists = {}, outputLists = {};
};

inline size_t Call::listLength() const {
  return kernel.lists.empty() ? 0
                              : (in.size() - kernel.inputs.size() - kernel.optionalInputs.size()) /
                                    kernel.lists.size();
}

inline const Attribute& Call::attribute(const char* name) const {
  for (size_t i = 0; i < attributes.size(); ++i) {
    if (kernel.attributes[i] == name) return attributes[i];
  }
  throw std::invalid_argument(kernel.name + " declares no attribute " + name);
}

/** Every kernel of this binary. */
inline std::vector<Kernel>& kernels() {
  static std::vector<Kernel> all;
  return all;
}

/** One static instance per kernel puts it in `kernels()`; there is no list to edit. */
struct RegisterKernel {
  explicit RegisterKernel(Kernel kernel) { kernels().push_back(std::move(kernel)); }
};

}  // namespace tessera
