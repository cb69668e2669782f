// The only file that knows Node. `run` serves every kernel, so a new kernel adds nothing here.
#include <napi_glue.h>
#include <signals.h>

#include "copy.h"
#include "instance.h"
#include "limits.h"

using namespace tessera;

namespace {

Instance& instance(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

uint32_t slotOf(const Napi::Value& value) { return static_cast<uint32_t>(indexOf(value)); }

/** allocate(bytes): slot */
Napi::Value allocate(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), instance(info.Env()).allocate(indexOf(info[0])));
}

/** release(slot) */
Napi::Value release(const Napi::CallbackInfo& info) {
  instance(info.Env()).release(slotOf(info[0]));
  return info.Env().Undefined();
}

/** address(slot): of the block, for addons that read and write it while it is held */
Napi::Value address(const Napi::CallbackInfo& info) {
  const Block& block = instance(info.Env()).block(slotOf(info[0]));
  return Napi::Number::New(info.Env(),
                           static_cast<double>(reinterpret_cast<uintptr_t>(block.data)));
}

/** The memory of a typed array that is copied from or to `block`. */
ArrayMemory checkedMemory(const Napi::Value& value, const Block& block) {
  const ArrayMemory memory = arrayMemoryOf(value);
  if (memory.bytes > block.bytes) throw std::invalid_argument("more values than the slot holds");
  return memory;
}

/** write(slot, values): copies values in */
Napi::Value write(const Napi::CallbackInfo& info) {
  const Block& block = instance(info.Env()).block(slotOf(info[0]));
  const ArrayMemory from = checkedMemory(info[1], block);
  copyBytes(block.data, from.data, static_cast<int64_t>(from.bytes));
  return info.Env().Undefined();
}

/** read(slot, values): copies values out */
Napi::Value read(const Napi::CallbackInfo& info) {
  const Block& block = instance(info.Env()).block(slotOf(info[0]));
  const ArrayMemory to = checkedMemory(info[1], block);
  copyBytes(to.data, block.data, static_cast<int64_t>(to.bytes));
  return info.Env().Undefined();
}

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

bool fits(const Call& call) {
  const Kernel& kernel = call.kernel;
  const size_t single = kernel.inputs.size() + kernel.optionalInputs.size();
  const size_t inLists = kernel.lists.size(), length = call.listLength();
  const size_t outputs = kernel.outputs.size() + kernel.outputLists.size() * length;
  return call.in.size() == single + inLists * length && call.out.size() >= outputs &&
         call.out.size() <= outputs + kernel.optionalOutputs.size() &&
         call.attributes.size() == kernel.attributes.size();
}

void runPacked(PackedCall& packed, Instance& held, std::vector<uint32_t>& allocated) {
  const Kernel& kernel = kernels().at(packed.index());
  Call call{kernel, {}, {}, {}, held.pool};
  call.in.resize(packed.index());
  call.out.resize(packed.index());
  call.attributes.resize(packed.index());
  for (View& view : call.in) view = packed.input(held);
  for (View& view : call.out) view = packed.output(held, allocated);
  for (Attribute& attribute : call.attributes) attribute = packed.attribute();
  if (!fits(call)) {
    throw std::invalid_argument(kernel.name +
                                " was given another number of arguments than it declares");
  }
  const SignalsHeld waiting;
  kernel.run(call);
}

/** Releases slots, allocates outputs, and runs a kernel. */
void runNext(PackedCall& packed, Instance& held) {
  for (size_t left = packed.index(); left > 0; --left)
    held.release(static_cast<uint32_t>(packed.number()));
  std::vector<uint32_t> allocated;
  try {
    runPacked(packed, held, allocated);
  } catch (...) {
    for (const uint32_t slot : allocated) held.release(slot);
    throw;
  }
}

/** run(packed): runs a kernel */
Napi::Value run(const Napi::CallbackInfo& info) {
  PackedCall packed(info[0]);
  runNext(packed, instance(info.Env()));
  return info.Env().Undefined();
}

/** runAll(packed): runs the kernels that are packed one after the other */
Napi::Value runAll(const Napi::CallbackInfo& info) {
  PackedCall packed(info[0]);
  while (!packed.isAtEnd()) runNext(packed, instance(info.Env()));
  return info.Env().Undefined();
}

/** contract(): the kernels of this binary, in the terms of the TypeScript contracts */
Napi::Value contract(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto array = Napi::Array::New(env, kernels().size());
  for (uint32_t i = 0; i < kernels().size(); ++i) {
    const Kernel& kernel = kernels()[i];
    auto entry = Napi::Object::New(env);
    entry.Set("name", kernel.name);
    entry.Set("inputs", namesOf(env, kernel.inputs));
    entry.Set("outputs", namesOf(env, kernel.outputs));
    entry.Set("attributes", namesOf(env, kernel.attributes));
    auto inPlace = Napi::Object::New(env);
    for (const InPlace& pair : kernel.inPlace) inPlace.Set(pair.output, pair.input);
    entry.Set("inPlace", inPlace);
    entry.Set("fp32Outputs", namesOf(env, kernel.fp32Outputs));
    entry.Set("optionalInputs", namesOf(env, kernel.optionalInputs));
    entry.Set("optionalOutputs", namesOf(env, kernel.optionalOutputs));
    entry.Set("lists", namesOf(env, kernel.lists));
    entry.Set("outputLists", namesOf(env, kernel.outputLists));
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

/** limits(): what the processor can do at most on these threads, per second */
Napi::Value limits(const Napi::CallbackInfo& info) {
  const SignalsHeld waiting;
  const Limits measured = measureLimits(instance(info.Env()).pool);
  auto object = Napi::Object::New(info.Env());
  object.Set("fp32", measured.fp32);
  object.Set("bf16", measured.bf16);
  object.Set("bandwidth", measured.bandwidth);
  return object;
}

/** setThreads(count): for the kernels that this JavaScript thread runs */
Napi::Value setThreads(const Napi::CallbackInfo& info) {
  omp_set_dynamic(0);
  omp_set_num_threads(static_cast<int>(indexOf(info[0])));
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Instance);
  expose<allocate>(exports, "allocate");
  expose<release>(exports, "release");
  expose<address>(exports, "address");
  expose<write>(exports, "write");
  expose<read>(exports, "read");
  expose<run>(exports, "run");
  expose<runAll>(exports, "runAll");
  expose<contract>(exports, "contract");
  expose<memory>(exports, "memory");
  expose<resetPeakMemory>(exports, "resetPeakMemory");
  expose<processors>(exports, "processors");
  expose<limits>(exports, "limits");
  expose<setThreads>(exports, "setThreads");
  return exports;
}

}  // namespace

NODE_API_MODULE(tessera, init)
