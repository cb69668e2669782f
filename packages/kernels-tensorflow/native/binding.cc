// TensorFlow's C API as JavaScript needs it: graphs that become functions, and functions and single operations that run
// on tensors, which JavaScript knows by number.
#include <cstring>

#ifdef __linux__
#include <malloc.h>
#endif

#include <signals.h>

#include "instance.h"

using namespace tessera;

namespace {

Instance& instance(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

/** open(configuration): starts TensorFlow; `configuration` is a serialized ConfigProto. */
Napi::Value open(const Napi::CallbackInfo& info) {
#ifdef __linux__
  // Freed memory stays with the process: a step's tensors are those of the step before.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
  const ArrayMemory proto = arrayMemoryOf(info[0]);
  const SignalsHeld waiting;  // the threads of TensorFlow start here
  instance(info.Env()).open(proto.data, proto.bytes);
  return info.Env().Undefined();
}

/** wait(): until all that was run is computed */
Napi::Value wait(const Napi::CallbackInfo& info) {
  instance(info.Env()).wait();
  return info.Env().Undefined();
}

/** useDevice(name): where programs run from now on */
Napi::Value useDevice(const Napi::CallbackInfo& info) {
  instance(info.Env()).device = textOf(info[0]);
  return info.Env().Undefined();
}

/** devices(): [name, type, bytes of memory] of each */
Napi::Value devices(const Napi::CallbackInfo& info) {
  Status status;
  const Owned<TF_DeviceList> list(
      TFE_ContextListDevices(instance(info.Env()).context.get(), status));
  status.check();
  const int count = TF_DeviceListCount(list.get());
  auto found = Napi::Array::New(info.Env());
  for (int i = 0; i < count; ++i) {
    auto device = Napi::Array::New(info.Env(), 3);
    device.Set(0u, TF_DeviceListName(list.get(), i, status));
    device.Set(1u, TF_DeviceListType(list.get(), i, status));
    device.Set(2u, static_cast<double>(TF_DeviceListMemoryBytes(list.get(), i, status)));
    status.check();
    found.Set(static_cast<uint32_t>(i), device);
  }
  return found;
}

/** version(): of the library */
Napi::Value version(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), TF_Version());
}

/** operations(): how many programs have run */
Napi::Value operations(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), instance(info.Env()).operations);
}

/** upload(type, shape, values): slot; on the device that is used */
Napi::Value upload(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  const auto type = static_cast<TF_DataType>(indexOf(info[0]));
  const auto tensor = tensorOf(type, shapeOf(info[1]), arrayMemoryOf(info[2]));
  Status status;
  Owned<TFE_TensorHandle> handle(TFE_NewTensorHandle(tensor.get(), status));
  held.check(status);
  if (!held.device.empty() && type != TF_INT32) {
    handle.reset(TFE_TensorHandleCopyToDevice(handle.get(), held.context.get(), held.device.c_str(),
                                              status));
    held.check(status);
  }
  return Napi::Number::New(info.Env(), held.hold(handle.release()));
}

/** download(slot, values): copies values out; waits until they are computed */
Napi::Value download(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  Status status;
  const Owned<TF_Tensor> tensor(TFE_TensorHandleResolve(held.handle(indexOf(info[0])), status));
  held.check(status);
  const ArrayMemory to = arrayMemoryOf(info[1]);
  if (to.bytes != TF_TensorByteSize(tensor.get())) {
    throw std::invalid_argument("the array has not the size of the tensor");
  }
  if (to.bytes > 0) std::memcpy(to.data, TF_TensorData(tensor.get()), to.bytes);
  return info.Env().Undefined();
}

/** release(slot) */
Napi::Value release(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  const size_t slot = indexOf(info[0]);
  held.handle(slot);
  held.slots[slot].reset();
  held.vacant.push_back(static_cast<uint32_t>(slot));
  return info.Env().Undefined();
}

/** newGraph(): opens an empty graph, in place of one that was not finished */
Napi::Value newGraph(const Napi::CallbackInfo& info) {
  instance(info.Env()).graph = std::make_unique<OpenGraph>();
  return info.Env().Undefined();
}

/** The values that numbers, or lists of numbers, name. */
TF_Output valueOf(const OpenGraph& graph, const Napi::Value& number) {
  return graph.values.at(indexOf(number));
}

std::vector<TF_Output> valuesOf(const OpenGraph& graph, const Napi::Value& numbers) {
  std::vector<TF_Output> values;
  eachElement(numbers, [&](const Napi::Value& each) { values.push_back(valueOf(graph, each)); });
  return values;
}

/** What the graph knows of a value: [number, type, ...shape]. */
Napi::Array describe(Napi::Env env, OpenGraph& graph, TF_Output value) {
  Status status;
  const int rank = TF_GraphGetTensorNumDims(graph.graph.get(), value, status);
  status.check();
  // What only the values of an input say has no shape here.
  Shape shape(static_cast<size_t>(std::max(rank, 0)));
  if (rank >= 0) TF_GraphGetTensorShape(graph.graph.get(), value, shape.data(), rank, status);
  status.check();
  auto about = Napi::Array::New(env, shape.size() + 2);
  about.Set(0u, static_cast<double>(graph.values.size()));
  about.Set(1u, static_cast<double>(TF_OperationOutputType(value)));
  for (uint32_t i = 0; i < shape.size(); ++i) about.Set(i + 2, static_cast<double>(shape[i]));
  graph.values.push_back(value);
  return about;
}

/** addNode(operation, inputs, attributes): its outputs; an input is a number, or a list of numbers */
Napi::Value addNode(const Napi::CallbackInfo& info) {
  OpenGraph& graph = instance(info.Env()).openGraph();
  const std::string operation = textOf(info[0]);
  const std::string name = "n" + std::to_string(graph.operations.size());
  TF_OperationDescription* node =
      TF_NewOperation(graph.graph.get(), operation.c_str(), name.c_str());
  eachElement(info[1], [&](const Napi::Value& input) {
    if (!input.IsArray()) return TF_AddInput(node, valueOf(graph, input));
    const auto list = valuesOf(graph, input);
    TF_AddInputList(node, list.data(), static_cast<int>(list.size()));
  });
  for (const Attribute& attribute : attributesOf(info[2])) setAttribute(node, attribute);
  Status status;
  TF_Operation* made = TF_FinishOperation(node, status);
  status.check();
  graph.operations.push_back(made);
  const int count = TF_OperationNumOutputs(made);
  auto outputs = Napi::Array::New(info.Env(), static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    outputs.Set(static_cast<uint32_t>(i), describe(info.Env(), graph, {made, i}));
  }
  return outputs;
}

/** finishGraph(name, inputs, outputs): makes the open graph a function of that name */
Napi::Value finishGraph(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  const OpenGraph& graph = held.openGraph();
  const auto inputs = valuesOf(graph, info[1]), outputs = valuesOf(graph, info[2]);
  Status status;
  const Owned<TF_Function> function(TF_GraphToFunction(
      graph.graph.get(), textOf(info[0]).c_str(), 0, -1, nullptr, static_cast<int>(inputs.size()),
      inputs.data(), static_cast<int>(outputs.size()), outputs.data(), nullptr, nullptr, nullptr,
      status));
  status.check();
  TFE_ContextAddFunction(held.context.get(), function.get(), status);
  status.check();
  held.graph.reset();
  return info.Env().Undefined();
}

/** prepare(operation, attributes, outputs): the number of a program */
Napi::Value prepare(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  held.programs.push_back(
      {textOf(info[0]), attributesOf(info[1]), static_cast<int>(indexOf(info[2]))});
  return Napi::Number::New(info.Env(), static_cast<double>(held.programs.size() - 1));
}

/** run(program, slots, inputs): queues it, and writes the slots of the outputs over those of the first inputs */
Napi::Value run(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  const Program& program = held.programs.at(indexOf(info[0]));
  auto slots = info[1].As<Napi::Int32Array>();
  int32_t* numbers = slots.Data();
  const size_t inputs = indexOf(info[2]);
  if (slots.ElementLength() < std::max(inputs, static_cast<size_t>(program.outputs))) {
    throw std::invalid_argument("there is no room for the slots");
  }
  if (held.ahead >= MAX_AHEAD) held.wait();
  Status status;
  const Owned<TFE_Op> op(TFE_NewOp(held.context.get(), program.operation.c_str(), status));
  held.check(status);
  if (!held.device.empty()) {
    TFE_OpSetDevice(op.get(), held.device.c_str(), status);
    held.check(status);
  }
  for (const Attribute& attribute : program.attributes) setAttribute(op.get(), attribute);
  for (size_t i = 0; i < inputs; ++i) {
    TFE_OpAddInput(op.get(), held.handle(static_cast<size_t>(numbers[i])), status);
    held.check(status);
  }
  std::vector<TFE_TensorHandle*> outputs(static_cast<size_t>(program.outputs));
  int count = program.outputs;
  {
    const SignalsHeld waiting;
    TFE_Execute(op.get(), outputs.data(), &count, status);
  }
  held.check(status);
  held.operations += 1;
  held.ahead += 1;
  for (size_t i = 0; i < outputs.size(); ++i) {
    numbers[i] = static_cast<int32_t>(held.hold(outputs[i]));
  }
  return info.Env().Undefined();
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Instance());
  expose<open>(exports, "open");
  expose<wait>(exports, "wait");
  expose<useDevice>(exports, "useDevice");
  expose<devices>(exports, "devices");
  expose<version>(exports, "version");
  expose<operations>(exports, "operations");
  expose<upload>(exports, "upload");
  expose<download>(exports, "download");
  expose<release>(exports, "release");
  expose<newGraph>(exports, "newGraph");
  expose<addNode>(exports, "addNode");
  expose<finishGraph>(exports, "finishGraph");
  expose<prepare>(exports, "prepare");
  expose<run>(exports, "run");
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, start)
