// The only file that knows Node. `run` serves every kernel, so a new kernel adds nothing here.
#include <napi_glue.h>
#include <signals.h>

#include "bf16_products.h"
#include "copy.h"
#include "instance.h"
#include "limits.h"
#include "packed_call.h"

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

/** hasBf16Pairs(): whether the processor multiplies pairs of bf16 elements */
Napi::Value hasPairs(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), hasBf16Pairs());
}

/** usesBf16Pairs(): whether products of bf16 operands do */
Napi::Value usesPairs(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), usesBf16Pairs());
}

/** useBf16Pairs(pairs): they do, or are widened to fp32, in all threads of the process */
Napi::Value usePairs(const Napi::CallbackInfo& info) {
  const bool pairs = info[0].ToBoolean();
  if (pairs && !hasBf16Pairs()) throw std::invalid_argument("the processor has no pairs of bf16");
  useBf16Pairs(pairs);
  return info.Env().Undefined();
}

/** bf16Rates(): operations a second of products of bf16 operands on these threads */
Napi::Value bf16Rates(const Napi::CallbackInfo& info) {
  const SignalsHeld waiting;
  const Bf16Rates measured = measureBf16Rates(instance(info.Env()).pool);
  auto object = Napi::Object::New(info.Env());
  object.Set("pairs", measured.pairs);
  object.Set("widened", measured.widened);
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
  expose<hasPairs>(exports, "hasBf16Pairs");
  expose<usesPairs>(exports, "usesBf16Pairs");
  expose<usePairs>(exports, "useBf16Pairs");
  expose<bf16Rates>(exports, "bf16Rates");
  expose<setThreads>(exports, "setThreads");
  return exports;
}

}  // namespace

NODE_API_MODULE(tessera, init)
