// The stress program's addon: threads of a native library, as JavaScript starts and counts them.
#include <node_api.h>

#include "waits.h"
#include "wire.h"

namespace {

napi_value Integer(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value, &result);
  return result;
}

napi_value Boolean(napi_env env, bool value) {
  napi_value result;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value Object(napi_env env) {
  napi_value result;
  napi_create_object(env, &result);
  return result;
}

void Set(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

template <int (*F)()>
napi_value Call(napi_env env, napi_callback_info) {
  return Integer(env, F());
}

// waitCounts(): { kinds: { [call]: { made, cut, late } }, lockErrors }
napi_value WaitCounts(napi_env env, napi_callback_info) {
  napi_value kinds = Object(env);
  for (int i = 0; i < waits::Kinds(); ++i) {
    const waits::Count count = waits::CountOf(i);
    napi_value kind = Object(env);
    Set(env, kind, "made", Integer(env, count.made));
    Set(env, kind, "cut", Integer(env, count.cut));
    Set(env, kind, "late", Integer(env, count.late));
    Set(env, kinds, count.name, kind);
  }
  napi_value result = Object(env);
  Set(env, result, "kinds", kinds);
  Set(env, result, "lockErrors", Integer(env, waits::LockErrors()));
  return result;
}

// startWire(port): 0 or -errno.
napi_value StartWire(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  int32_t port = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_get_value_int32(env, argument, &port);
  return Integer(env, wire::Start(port));
}

// wireCounts(): { received, missing, cut, finished, ended }
napi_value WireCounts(napi_env env, napi_callback_info) {
  const wire::Counts counts = wire::Now();
  napi_value result = Object(env);
  Set(env, result, "received", Integer(env, counts.received));
  Set(env, result, "missing", Integer(env, counts.missing));
  Set(env, result, "cut", Integer(env, counts.cut));
  Set(env, result, "finished", Boolean(env, counts.finished));
  Set(env, result, "ended", Boolean(env, counts.ended));
  return result;
}

const struct {
  const char* name;
  napi_callback function;
} kFunctions[] = {
    {"startWaits", Call<waits::Start>}, {"stopWaits", Call<waits::Stop>},
    {"waitCounts", WaitCounts},         {"startWire", StartWire},
    {"stopWire", Call<wire::Stop>},     {"wireCounts", WireCounts},
};

}  // namespace

NAPI_MODULE_INIT() {
  for (const auto& [name, function] : kFunctions) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
  return exports;
}
