// The packed arguments of kernel calls, as JavaScript passes them.
#pragma once

#include <napi_glue.h>

#include "instance.h"

namespace tessera {

/** Reads the packed arguments of `run`, which packages/native-backend/src/pack_call.ts writes. */
class PackedCall {
 public:
  explicit PackedCall(const Napi::Value& value) {
    if (!value.IsTypedArray()) throw std::invalid_argument("the packed arguments are no array");
    auto numbers = value.As<Napi::Float64Array>();
    next_ = numbers.Data();
    end_ = next_ + numbers.ElementLength();
  }

  bool isAtEnd() const { return next_ == end_; }
  double number() { return *take(); }
  size_t index() { return static_cast<size_t>(number()); }

  /** slot, storage, rank, ...shape; a slot of -1 alone for an input that is absent. */
  View input(const Instance& held) {
    const double slot = number();
    if (slot < 0) return {nullptr, Type::f32, {}};
    return view(held.block(static_cast<uint32_t>(slot)));
  }

  /**
   * The same; a slot of -1 for an output that is allocated here, in place of which its slot is
   * written.
   */
  View output(Instance& held, std::vector<uint32_t>& allocated) {
    double* slot = take();
    if (*slot >= 0) return view(held.block(static_cast<uint32_t>(*slot)));
    View result = untied();
    allocated.push_back(held.allocate(static_cast<size_t>(bytesOf(result.type, result.size()))));
    *slot = allocated.back();
    result.data = held.block(allocated.back()).data;
    return result;
  }

  /** count, ...numbers; -1 - length, ...character codes for text. */
  Attribute attribute() {
    Attribute result;
    const double count = number();
    if (count < 0) {
      result.text.resize(static_cast<size_t>(-1 - count));
      for (char& character : result.text) character = static_cast<char>(number());
    } else {
      result.numbers.resize(static_cast<size_t>(count));
      for (double& each : result.numbers) each = number();
    }
    return result;
  }

 private:
  double* take() {
    if (next_ == end_) throw std::invalid_argument("the packed arguments of a call end too early");
    return next_++;
  }

  /** storage, rank, ...shape, without memory. */
  View untied() {
    View view{nullptr, static_cast<Type>(index()), Shape(index())};
    for (int64_t& extent : view.shape) extent = static_cast<int64_t>(number());
    return view;
  }

  View view(const Block& block) {
    View result = untied();
    if (static_cast<size_t>(bytesOf(result.type, result.size())) > block.bytes) {
      throw std::invalid_argument("a shape is larger than the memory of its slot");
    }
    result.data = block.data;
    return result;
  }

  double *next_, *end_;
};

}  // namespace tessera
