// Threads that wait for work, as those of an addon do. For the benchmark only.
#include <node_api.h>
#include <pthread.h>

namespace {

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t work = PTHREAD_COND_INITIALIZER;

void* Sleep(void*) {
  pthread_mutex_lock(&mutex);
  for (;;) pthread_cond_wait(&work, &mutex);
}

// start(count): how many were started.
napi_value Start(napi_env env, napi_callback_info info) {
  size_t one = 1;
  napi_value argument;
  int32_t count = 0;
  napi_get_cb_info(env, info, &one, &argument, nullptr, nullptr);
  napi_get_value_int32(env, argument, &count);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  int32_t started = 0;
  for (pthread_t thread; started < count; ++started) {
    if (pthread_create(&thread, &attributes, Sleep, nullptr) != 0) break;
    pthread_detach(thread);
  }
  pthread_attr_destroy(&attributes);
  napi_value result;
  napi_create_int32(env, started, &result);
  return result;
}

napi_value Init(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "start", NAPI_AUTO_LENGTH, Start, nullptr, &function);
  napi_set_named_property(env, exports, "start", function);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
