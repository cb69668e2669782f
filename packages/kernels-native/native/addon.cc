// The only file that knows Node. `run` serves every kernel, so a new kernel adds nothing here.
#include <napi.h>

#include "copy.h"

using namespace tessera;

namespace {

/** What one JavaScript thread holds: its pool, and the blocks behind the slots it was given. */
struct Instance {
  Pool pool;
  std::vector<Block> slots;
  std::vector<uint32_t> vacant;

  ~Instance() {
    for (const Block& block : slots) {
      if (block.data != nullptr) pool.give(block);
    }
  }

  uint32_t allocate(size_t bytes) {
    const Block block = pool.take(bytes);
    if (vacant.empty()) {
      slots.push_back(block);
      return static_cast<uint32_t>(slots.size() - 1);
    }
    const uint32_t slot = vacant.back();
    vacant.pop_back();
    slots[slot] = block;
    return slot;
  }

  const Block& block(uint32_t slot) const {
    if (slot >= slots.size() || slots[slot].data == nullptr) {
      throw std::invalid_argument("slot " + std::to_string(slot) + " holds no memory");
    }
    return slots[slot];
  }

  void release(uint32_t slot) {
    pool.give(block(slot));
    slots[slot] = {};
    vacant.push_back(slot);
  }
};

Instance& instance(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

uint32_t slotOf(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

/** Gives C++ exceptions to JavaScript as errors with its own stack. */
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

/** allocate(bytes): slot */
Napi::Value allocate(const Napi::CallbackInfo& info) {
  const double bytes = info[0].As<Napi::Number>().DoubleValue();
  return Napi::Number::New(info.Env(), instance(info.Env()).allocate(static_cast<size_t>(bytes)));
}

/** release(slot) */
Napi::Value release(const Napi::CallbackInfo& info) {
  instance(info.Env()).release(slotOf(info[0]));
  return info.Env().Undefined();
}

/** address(slot): where the block lies, for addons that read and write it while it is held */
Napi::Value address(const Napi::CallbackInfo& info) {
  const Block& block = instance(info.Env()).block(slotOf(info[0]));
  return Napi::Number::New(info.Env(), static_cast<double>(reinterpret_cast<uintptr_t>(block.data)));
}

struct Span {
  void* data;
  size_t bytes;
};

Span spanOf(const Napi::Value& value, const Block& block) {
  const auto array = value.As<Napi::TypedArray>();
  if (array.ByteLength() > block.bytes) throw std::invalid_argument("more values than the slot holds");
  return {static_cast<char*>(array.ArrayBuffer().Data()) + array.ByteOffset(), array.ByteLength()};
}

/** write(slot, values): copies values in */
Napi::Value write(const Napi::CallbackInfo& info) {
  const Block& block = instance(info.Env()).block(slotOf(info[0]));
  const Span from = spanOf(info[1], block);
  copyBytes(block.data, from.data, static_cast<int64_t>(from.bytes));
  return info.Env().Undefined();
}

/** read(slot, values): copies values out */
Napi::Value read(const Napi::CallbackInfo& info) {
  const Block& block = instance(info.Env()).block(slotOf(info[0]));
  const Span to = spanOf(info[1], block);
  copyBytes(to.data, block.data, static_cast<int64_t>(to.bytes));
  return info.Env().Undefined();
}

/** A list of [slot, storage, ...shape], as views. */
std::vector<View> views(const Napi::Value& value, const Instance& held) {
  const auto list = value.As<Napi::Array>();
  std::vector<View> result;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const auto numbers = list.Get(i).As<Napi::Array>();
    const Block& block = held.block(slotOf(numbers.Get(0u)));
    View view{block.data, static_cast<Type>(slotOf(numbers.Get(1u))), {}};
    for (uint32_t d = 2; d < numbers.Length(); ++d) {
      view.shape.push_back(numbers.Get(d).As<Napi::Number>().Int64Value());
    }
    if (static_cast<size_t>(view.size() * bytesPer(view.type)) > block.bytes) {
      throw std::invalid_argument("a shape is larger than the memory behind it");
    }
    result.push_back(std::move(view));
  }
  return result;
}

Attribute attributeOf(const Napi::Value& value) {
  Attribute attribute;
  if (value.IsString()) {
    attribute.text = value.As<Napi::String>();
  } else if (value.IsArray()) {
    const auto list = value.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); ++i) {
      attribute.numbers.push_back(list.Get(i).As<Napi::Number>().DoubleValue());
    }
  } else if (value.IsNumber() || value.IsBoolean()) {
    attribute.numbers.push_back(value.ToNumber().DoubleValue());
  } else {
    throw std::invalid_argument("an attribute is neither number, boolean, string nor list");
  }
  return attribute;
}

/** run(index, inputs, outputs, attributes) */
Napi::Value run(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  const Kernel& kernel = kernels().at(slotOf(info[0]));
  Call call{kernel, views(info[1], held), views(info[2], held), {}, held.pool};
  const auto list = info[3].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) call.attributes.push_back(attributeOf(list.Get(i)));
  if (call.in.size() != kernel.inputs.size() || call.out.size() != kernel.outputs.size() ||
      call.attributes.size() != kernel.attributes.size()) {
    throw std::invalid_argument(kernel.name + " was given another number of arguments than it declares");
  }
  kernel.run(call);
  return info.Env().Undefined();
}

Napi::Array names(Napi::Env env, const std::vector<std::string>& list) {
  auto array = Napi::Array::New(env, list.size());
  for (uint32_t i = 0; i < list.size(); ++i) array.Set(i, list[i]);
  return array;
}

/** What this binary claims to implement, in the words of the TypeScript contracts. */
Napi::Value contract(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto array = Napi::Array::New(env, kernels().size());
  for (uint32_t i = 0; i < kernels().size(); ++i) {
    const Kernel& kernel = kernels()[i];
    auto entry = Napi::Object::New(env);
    entry.Set("name", kernel.name);
    entry.Set("inputs", names(env, kernel.inputs));
    entry.Set("outputs", names(env, kernel.outputs));
    entry.Set("attributes", names(env, kernel.attributes));
    auto inPlace = Napi::Object::New(env);
    for (const InPlace& pair : kernel.inPlace) inPlace.Set(pair.output, pair.input);
    entry.Set("inPlace", inPlace);
    entry.Set("wide", names(env, kernel.wide));
    array.Set(i, entry);
  }
  return array;
}

/** memory(): {allocated, peak, pooled} in bytes */
Napi::Value memory(const Napi::CallbackInfo& info) {
  const Figures figures = instance(info.Env()).pool.figures();
  auto result = Napi::Object::New(info.Env());
  result.Set("allocated", static_cast<double>(figures.allocated));
  result.Set("peak", static_cast<double>(figures.peak));
  result.Set("pooled", static_cast<double>(figures.pooled));
  return result;
}

/** resetPeakMemory(): the peak counts from now on */
Napi::Value resetPeakMemory(const Napi::CallbackInfo& info) {
  instance(info.Env()).pool.resetPeak();
  return info.Env().Undefined();
}

/** processors(): how many the affinity of this process allows */
Napi::Value processors(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), omp_get_num_procs());
}

/** setThreads(count): for the kernels that this JavaScript thread runs */
Napi::Value setThreads(const Napi::CallbackInfo& info) {
  omp_set_dynamic(0);
  omp_set_num_threads(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Instance);
  exports.Set("allocate", Napi::Function::New<guarded<allocate>>(env));
  exports.Set("release", Napi::Function::New<guarded<release>>(env));
  exports.Set("address", Napi::Function::New<guarded<address>>(env));
  exports.Set("write", Napi::Function::New<guarded<write>>(env));
  exports.Set("read", Napi::Function::New<guarded<read>>(env));
  exports.Set("run", Napi::Function::New<guarded<run>>(env));
  exports.Set("contract", Napi::Function::New<guarded<contract>>(env));
  exports.Set("memory", Napi::Function::New<guarded<memory>>(env));
  exports.Set("resetPeakMemory", Napi::Function::New<guarded<resetPeakMemory>>(env));
  exports.Set("processors", Napi::Function::New<guarded<processors>>(env));
  exports.Set("setThreads", Napi::Function::New<guarded<setThreads>>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(tessera, init)
