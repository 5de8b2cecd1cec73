// Wraps a plain C++ function as a JavaScript function. lib/ has checked the arguments, so values
// are only converted here. A negative result is -errno, and lib/ throws it.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "sys/span.h"

namespace marshal {

template <typename T>
struct FromJs;

template <>
struct FromJs<int> {
  static int Get(const Napi::Value& v) { return v.As<Napi::Number>().Int32Value(); }
};

template <>
struct FromJs<unsigned> {
  static unsigned Get(const Napi::Value& v) { return v.As<Napi::Number>().Uint32Value(); }
};

template <>
struct FromJs<int64_t> {
  static int64_t Get(const Napi::Value& v) { return v.As<Napi::Number>().Int64Value(); }
};

template <>
struct FromJs<uint64_t> {
  static uint64_t Get(const Napi::Value& v) {
    bool lossless = false;
    return v.As<Napi::BigInt>().Uint64Value(&lossless);
  }
};

template <>
struct FromJs<bool> {
  static bool Get(const Napi::Value& v) { return v.As<Napi::Boolean>().Value(); }
};

template <>
struct FromJs<std::string> {
  static std::string Get(const Napi::Value& v) { return v.As<Napi::String>().Utf8Value(); }
};

template <typename T>
struct FromJs<std::vector<T>> {
  static std::vector<T> Get(const Napi::Value& v) {
    auto array = v.As<Napi::Array>();
    std::vector<T> items(array.Length());
    for (uint32_t i = 0; i < items.size(); ++i) items[i] = FromJs<T>::Get(array.Get(i));
    return items;
  }
};

// Not Napi::Int32Array, which needs an ArrayBuffer: this one may be shared.
template <typename Span>
Span FromTypedArray(const Napi::Value& v) {
  void* data = nullptr;
  size_t length = 0;
  napi_get_typedarray_info(v.Env(), v, nullptr, &length, &data, nullptr, nullptr);
  return {static_cast<decltype(Span::data)>(data), length};
}

template <>
struct FromJs<sys::Int32Span> {
  static sys::Int32Span Get(const Napi::Value& v) { return FromTypedArray<sys::Int32Span>(v); }
};

template <>
struct FromJs<sys::ByteSpan> {
  static sys::ByteSpan Get(const Napi::Value& v) { return FromTypedArray<sys::ByteSpan>(v); }
};

inline Napi::Value ToJs(Napi::Env env, double v) {
  return Napi::Number::New(env, v);
}
inline Napi::Value ToJs(Napi::Env env, bool v) {
  return Napi::Boolean::New(env, v);
}
inline Napi::Value ToJs(Napi::Env env, int v) {
  return Napi::Number::New(env, v);
}
inline Napi::Value ToJs(Napi::Env env, int64_t v) {
  return Napi::Number::New(env, static_cast<double>(v));
}
inline Napi::Value ToJs(Napi::Env env, uint64_t v) {
  return Napi::BigInt::New(env, v);
}

inline Napi::Value ToJs(Napi::Env env, const std::string& v) {
  return Napi::String::New(env, v);
}

inline Napi::Value ToJs(Napi::Env, Napi::Value v) {
  return v;
}

// A field of a result. Defined, not set: otherwise a setter that the program has added to
// Object.prototype would run, and its error in the child of fork() would leave two processes that
// act as the parent.
template <typename T>
void Define(Napi::Object object, const char* name, const T& value) {
  const Napi::Value field = ToJs(object.Env(), value);
  object.DefineProperty(Napi::PropertyDescriptor::Value(name, field, napi_default_jsproperty));
}

// Declared before the functions that use it for their items.
template <typename... T>
Napi::Value ToJs(Napi::Env env, const std::tuple<T...>& v);

template <typename T>
Napi::Value ToJs(Napi::Env env, const std::vector<T>& v) {
  auto array = Napi::Array::New(env, v.size());
  for (uint32_t i = 0; i < v.size(); ++i) array.Set(i, ToJs(env, v[i]));
  return array;
}

// A tuple becomes an array in JavaScript.
template <typename... T>
Napi::Value ToJs(Napi::Env env, const std::tuple<T...>& v) {
  auto array = Napi::Array::New(env, sizeof...(T));
  uint32_t next = 0;
  std::apply([&](const T&... item) { (array.Set(next++, ToJs(env, item)), ...); }, v);
  return array;
}

template <auto F, typename R, typename... Args, size_t... I>
Napi::Value Apply(const Napi::CallbackInfo& info, R (*)(Args...), std::index_sequence<I...>) {
  if constexpr (std::is_void_v<R>) {
    F(FromJs<std::decay_t<Args>>::Get(info[I])...);
    return info.Env().Undefined();
  } else {
    return ToJs(info.Env(), F(FromJs<std::decay_t<Args>>::Get(info[I])...));
  }
}

template <auto F, typename R, typename... Args>
Napi::Value Dispatch(const Napi::CallbackInfo& info, R (*f)(Args...)) {
  return Apply<F>(info, f, std::index_sequence_for<Args...>{});
}

template <auto F>
Napi::Value Call(const Napi::CallbackInfo& info) {
  return Dispatch<F>(info, F);
}

// exports.name = F, with the conversions for F's signature.
template <auto F>
void Export(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Call<F>>(exports.Env(), name));
}

}  // namespace marshal
