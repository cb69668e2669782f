// What a native kernel is: a name, the names of its arguments, and a function over views. The
// names repeat the TypeScript contract, so that a test can compare the two. Nothing in here or in
// the kernels knows JavaScript.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "pool.h"

namespace tessera {

/** How the elements of a tensor lie in memory. The order is that of STORAGES in src/storage.ts. */
enum class Type : uint8_t { f32, i32, u8, bf16, f16 };

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
      return 1;
  }
  return 0;
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
    if (type != expected) throw std::invalid_argument("a tensor has another storage than the kernel reads");
    return static_cast<T*>(data);
  }
};

/** One attribute: a number or a boolean is a list of one, a string is text. */
struct Attribute {
  std::vector<double> numbers;
  std::string text;
};

struct Kernel;

/** One call of a kernel. `pool` lends scratch memory. */
struct Call {
  const Kernel& kernel;
  std::vector<View> in;
  std::vector<View> out;
  std::vector<Attribute> attributes;
  Pool& pool;

  const Attribute& attribute(const char* name) const;
  double number(const char* name) const { return attribute(name).numbers.at(0); }
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
  std::vector<std::string> inputs, outputs, attributes;
  void (*run)(const Call& call);
  std::vector<InPlace> inPlace = {};
  /** Outputs that are fp32 whatever the inputs are. The others follow the first input of floats. */
  std::vector<std::string> wide = {};
};

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
struct Define {
  explicit Define(Kernel kernel) { kernels().push_back(std::move(kernel)); }
};

}  // namespace tessera
