// What the addons' N-API sides share: C++ exceptions as JavaScript errors, and checked arguments.
#pragma once

#include <napi.h>

#include <stdexcept>
#include <string>

namespace tessera {

/** Throws C++ exceptions on to JavaScript as errors, with JavaScript's stack. */
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

/** Exports `function` under `name`. */
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void expose(Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<function>>(exports.Env(), name));
}

inline double numberOf(const Napi::Value& value) {
  if (!value.IsNumber()) throw std::invalid_argument("an argument is not a number");
  return value.As<Napi::Number>().DoubleValue();
}

/** A whole number that is not negative: a slot, an index, a size. */
inline size_t indexOf(const Napi::Value& value) {
  const double number = numberOf(value);
  if (!(number >= 0) || number != static_cast<double>(static_cast<size_t>(number))) {
    throw std::invalid_argument("an argument is " + std::to_string(number) +
                                ", must be a whole number from 0 on");
  }
  return static_cast<size_t>(number);
}

inline std::string textOf(const Napi::Value& value) {
  if (!value.IsString()) throw std::invalid_argument("an argument is not a string");
  return value.As<Napi::String>();
}

/** The memory of a typed array, which is JavaScript's. */
struct ArrayMemory {
  char* data;
  size_t bytes;
};

inline ArrayMemory arrayMemoryOf(const Napi::Value& value) {
  if (!value.IsTypedArray()) throw std::invalid_argument("an argument is not a typed array");
  const auto array = value.As<Napi::TypedArray>();
  return {static_cast<char*>(array.ArrayBuffer().Data()) + array.ByteOffset(), array.ByteLength()};
}

/** Calls use(element) for the elements of an array. */
template <typename Use>
void eachElement(const Napi::Value& value, Use use) {
  if (!value.IsArray()) throw std::invalid_argument("an argument is not an array");
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) use(Napi::Value(array.Get(i)));
}

/** `list` as an array of strings. */
template <typename List>
Napi::Array namesOf(Napi::Env env, const List& list) {
  auto array = Napi::Array::New(env, list.size());
  for (uint32_t i = 0; i < list.size(); ++i) array.Set(i, list[i]);
  return array;
}

}  // namespace tessera
