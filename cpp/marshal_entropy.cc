#include "marshal_entropy.h"

#include <uv.h>

#include "marshal.h"
#include "sys/v8_heap.h"

namespace marshal {

namespace {

// Bytes, by lib/internal/crypto/random.js of every line: 1,024 integers of six; 128 UUIDs of
// sixteen.
constexpr size_t kIntegers = 6144;
constexpr size_t kUuids = 2048;

sys::V8Heap heap;

// A handle is a pointer to a word with the object's address, which the garbage collector updates.
sys::Tagged AddressOf(napi_value handle) {
  return *reinterpret_cast<sys::Tagged*>(handle);
}

napi_value HandleOf(sys::Tagged* word) {
  return reinterpret_cast<napi_value>(word);
}

bool IsFunction(const Napi::Value& value) {
  return !value.IsEmpty() && value.IsFunction();
}

// Without a callback the call is synchronous, by getrandom(2) or the system's equivalent.
bool Fill(void* data, size_t size) {
  return uv_random(nullptr, nullptr, data, size, 0, nullptr) == 0;
}

// Calls Math.random, searches for the number in V8's heap, and restores the generator.
bool FindGenerator(const Napi::Function& math_random) {
  if (heap.learned()) return heap.GeneratorOf(AddressOf(math_random)).index != nullptr;
  const Napi::Value latest = math_random.Call({});
  if (latest.IsEmpty() || !latest.IsNumber()) return false;
  if (!heap.Learn(AddressOf(math_random), latest.As<Napi::Number>())) return false;
  sys::MathRandom found = heap.GeneratorOf(AddressOf(math_random));
  if (found.index == nullptr) return false;
  found.set_left(found.left() + 1);
  return true;
}

struct Caches {
  sys::ByteSpan integers{nullptr, 0};
  sys::ByteSpan uuids{nullptr, 0};  // none before the first use
  sys::Tagged integers_object = 0;
  bool found = false;
};

// All functions of that module have one context, which contains the module's variables.
Caches CachesOf(Napi::Env env, const Napi::Value& function) {
  Caches caches;
  if (!IsFunction(function)) return caches;
  size_t integers = 0, uuids = 0;
  for (size_t i = 0;; ++i) {
    // Read each time, because reading an array's memory may allocate, which may move the context.
    const sys::ContextSlots slots = heap.SlotsOf(AddressOf(function));
    if (i >= slots.count) break;
    sys::Tagged word = slots.first[i];
    if ((word & 3) != 1) continue;
    const Napi::Value value(env, HandleOf(&word));
    bool is_array = false;
    napi_is_typedarray(env, value, &is_array);
    if (!is_array) continue;
    const auto bytes = FromTypedArray<sys::ByteSpan>(value);
    if (bytes.size == kIntegers) {
      ++integers;
      caches.integers = bytes;
      caches.integers_object = word;
    } else if (bytes.size == kUuids) {
      ++uuids;
      caches.uuids = bytes;
    }
  }
  caches.found = integers == 1 && uuids <= 1;
  return caches;
}

}  // namespace

Napi::Value EntropyFound(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const bool generator = IsFunction(info[0]) && FindGenerator(info[0].As<Napi::Function>());
  return ToJs(env, std::vector<bool>{generator, CachesOf(env, info[1]).found});
}

Napi::Value RefreshEntropy(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  bool well = true;
  if (IsFunction(info[0]) && heap.learned()) {
    sys::MathRandom generator = heap.GeneratorOf(AddressOf(info[0]));
    if (generator.index != nullptr) {
      well = Fill(generator.state, 2 * sizeof *generator.state);
      generator.state[0] |= 1;
      generator.set_left(0);
    }
  }
  const Caches caches = CachesOf(env, info[1]);
  if (caches.found) {
    well = Fill(caches.integers.data, caches.integers.size) && well;
    if (caches.uuids.size > 0) well = Fill(caches.uuids.data, caches.uuids.size) && well;
  }
  return ToJs(env, well);
}

Napi::Value RandomIntCache(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  // A handle that outlives this frame. Escaping allocates nothing, so the address is still valid.
  Napi::EscapableHandleScope scope(env);
  Caches caches = CachesOf(env, info[0]);
  if (!caches.found) return scope.Escape(env.Undefined());
  return scope.Escape(HandleOf(&caches.integers_object));
}

Napi::Value FillRandom(const Napi::CallbackInfo& info) {
  const auto bytes = FromJs<sys::ByteSpan>::Get(info[0]);
  return ToJs(info.Env(), Fill(bytes.data, bytes.size));
}

}  // namespace marshal
