// Attributes of TensorFlow's operations, from JavaScript's arrays [name, kind, value]: the same for an operation that is
// run at once and for a node of a graph.
#pragma once

#include <napi_glue.h>
#include <tensorflow/c/c_api.h>
#include <tensorflow/c/eager/c_api.h>
#include <tensorflow/c/eager/c_api_experimental.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace tessera {

struct Release {
  void operator()(TF_Status* status) const { TF_DeleteStatus(status); }
  void operator()(TF_Tensor* tensor) const { TF_DeleteTensor(tensor); }
  void operator()(TF_Graph* graph) const { TF_DeleteGraph(graph); }
  void operator()(TF_Function* function) const { TF_DeleteFunction(function); }
  void operator()(TF_DeviceList* list) const { TF_DeleteDeviceList(list); }
  void operator()(TFE_Executor* executor) const { TFE_DeleteExecutor(executor); }
  void operator()(TFE_Op* op) const { TFE_DeleteOp(op); }
  void operator()(TFE_TensorHandle* handle) const { TFE_DeleteTensorHandle(handle); }
  void operator()(TFE_Context* context) const { TFE_DeleteContext(context); }
  void operator()(TFE_ContextOptions* options) const { TFE_DeleteContextOptions(options); }
};

template <typename T>
using Owned = std::unique_ptr<T, Release>;

/** A status that throws what went wrong. */
class Status {
 public:
  operator TF_Status*() { return status_.get(); }
  bool isOk() const { return TF_GetCode(status_.get()) == TF_OK; }
  void check() const {
    if (!isOk()) throw std::runtime_error(TF_Message(status_.get()));
  }

 private:
  Owned<TF_Status> status_{TF_NewStatus()};
};

using Shape = std::vector<int64_t>;

/** An element type, which is a number of its own kind among attributes. */
struct TypeValue {
  TF_DataType type;
};
struct ShapeValue {
  Shape shape;
};

struct Attribute {
  std::string name;
  std::variant<bool, int64_t, float, std::string, TypeValue, ShapeValue, Shape,
               std::shared_ptr<TF_Tensor>>
      value;
};

inline Shape shapeOf(const Napi::Value& value) {
  Shape shape;
  eachElement(value, [&](const Napi::Value& extent) {
    shape.push_back(static_cast<int64_t>(numberOf(extent)));
  });
  return shape;
}

/** A tensor of TensorFlow's own memory with a copy of `memory`. */
inline Owned<TF_Tensor> tensorOf(TF_DataType type, const Shape& shape, const ArrayMemory& memory) {
  int64_t size = 1;
  for (const int64_t extent : shape) size *= extent;
  if (static_cast<size_t>(size) * TF_DataTypeSize(type) != memory.bytes) {
    throw std::invalid_argument("the values do not fill the shape");
  }
  Owned<TF_Tensor> tensor(
      TF_AllocateTensor(type, shape.data(), static_cast<int>(shape.size()), memory.bytes));
  if (memory.bytes > 0) std::memcpy(TF_TensorData(tensor.get()), memory.data, memory.bytes);
  return tensor;
}

/** [name, kind, value], and for a tensor [name, "tensor", values, type, shape]. */
inline Attribute attributeOf(const Napi::Value& value) {
  const auto parts = value.As<Napi::Array>();
  const Napi::Value given = parts.Get(2u);
  const std::string name = textOf(parts.Get(0u)), kind = textOf(parts.Get(1u));
  if (kind == "bool") return {name, given.ToBoolean().Value()};
  if (kind == "int") return {name, static_cast<int64_t>(numberOf(given))};
  if (kind == "float") return {name, static_cast<float>(numberOf(given))};
  if (kind == "text") return {name, textOf(given)};
  if (kind == "type") return {name, TypeValue{static_cast<TF_DataType>(indexOf(given))}};
  if (kind == "shape") return {name, ShapeValue{shapeOf(given)}};
  if (kind == "ints") return {name, shapeOf(given)};
  if (kind == "tensor") {
    const auto type = static_cast<TF_DataType>(indexOf(parts.Get(3u)));
    auto tensor = tensorOf(type, shapeOf(parts.Get(4u)), arrayMemoryOf(given));
    return {name, std::shared_ptr<TF_Tensor>(tensor.release(), Release())};
  }
  throw std::invalid_argument("an attribute is of the unknown kind " + kind);
}

inline std::vector<Attribute> attributesOf(const Napi::Value& value) {
  std::vector<Attribute> attributes;
  eachElement(value, [&](const Napi::Value& each) { attributes.push_back(attributeOf(each)); });
  return attributes;
}

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

inline void setAttribute(TFE_Op* op, const Attribute& attribute) {
  const char* name = attribute.name.c_str();
  Status status;
  std::visit(Overloaded{
                 [&](bool value) { TFE_OpSetAttrBool(op, name, value); },
                 [&](int64_t value) { TFE_OpSetAttrInt(op, name, value); },
                 [&](float value) { TFE_OpSetAttrFloat(op, name, value); },
                 [&](const std::string& value) {
                   TFE_OpSetAttrString(op, name, value.data(), value.size());
                 },
                 [&](TypeValue value) { TFE_OpSetAttrType(op, name, value.type); },
                 [&](const ShapeValue& value) {
                   TFE_OpSetAttrShape(op, name, value.shape.data(),
                                      static_cast<int>(value.shape.size()), status);
                 },
                 [&](const Shape& value) {
                   TFE_OpSetAttrIntList(op, name, value.data(), static_cast<int>(value.size()));
                 },
                 [&](const std::shared_ptr<TF_Tensor>& value) {
                   TFE_OpSetAttrTensor(op, name, value.get(), status);
                 },
             },
             attribute.value);
  status.check();
}

inline void setAttribute(TF_OperationDescription* node, const Attribute& attribute) {
  const char* name = attribute.name.c_str();
  Status status;
  std::visit(Overloaded{
                 [&](bool value) { TF_SetAttrBool(node, name, value); },
                 [&](int64_t value) { TF_SetAttrInt(node, name, value); },
                 [&](float value) { TF_SetAttrFloat(node, name, value); },
                 [&](const std::string& value) {
                   TF_SetAttrString(node, name, value.data(), value.size());
                 },
                 [&](TypeValue value) { TF_SetAttrType(node, name, value.type); },
                 [&](const ShapeValue& value) {
                   TF_SetAttrShape(node, name, value.shape.data(),
                                   static_cast<int>(value.shape.size()));
                 },
                 [&](const Shape& value) {
                   TF_SetAttrIntList(node, name, value.data(), static_cast<int>(value.size()));
                 },
                 [&](const std::shared_ptr<TF_Tensor>& value) {
                   TF_SetAttrTensor(node, name, value.get(), status);
                 },
             },
             attribute.value);
  status.check();
}

}  // namespace tessera
