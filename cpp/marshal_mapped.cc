#include "marshal_mapped.h"

#include <cerrno>
#include <cstring>

#include "marshal.h"
#include "sys/mapped.h"

namespace marshal {

namespace {

// One mapping for all parts, which are unmapped separately. A mapping for each part would reach
// vm.max_map_count.
struct Part {
  uint8_t* data;
  size_t size;
  size_t room;
};

void Finalize(napi_env, void* data, void* room) {
  sys::Unmap(static_cast<uint8_t*>(data), reinterpret_cast<size_t>(room));
}

napi_value Copied(napi_env env, const Part& part) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_arraybuffer(env, part.size, &data, &buffer) == napi_ok) {
    memcpy(data, part.data, part.size);
  }
  sys::Unmap(part.data, part.room);
  return buffer;
}

// Without a copy if the runtime allows that; with V8's sandbox, memory must be inside of a cage.
napi_value BufferOf(napi_env env, const Part& part) {
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, part.data, part.size, Finalize, reinterpret_cast<void*>(part.room), &buffer);
  return status == napi_ok ? buffer : Copied(env, part);
}

size_t RoundUp(size_t size, size_t alignment) {
  return (size + alignment - 1) & ~(alignment - 1);
}

}  // namespace

Napi::Value MapFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto sizes = FromJs<std::vector<int64_t>>::Get(info[2]);
  const auto alignment = static_cast<size_t>(FromJs<int64_t>::Get(info[3]));
  size_t total = 0;
  for (const int64_t size : sizes) total += RoundUp(static_cast<size_t>(size), alignment);
  uint8_t* at = sys::MapPrivate(FromJs<int>::Get(info[0]), FromJs<int64_t>::Get(info[1]), total);
  if (at == nullptr) return ToJs(env, -errno);
  Napi::Array buffers = Napi::Array::New(env, sizes.size());
  for (uint32_t i = 0; i < sizes.size(); ++i) {
    const auto size = static_cast<size_t>(sizes[i]);
    const size_t room = RoundUp(size, alignment);
    buffers.Set(i, BufferOf(env, {at, size, room}));
    at += room;
  }
  return buffers;
}

}  // namespace marshal
