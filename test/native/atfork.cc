#include "atfork.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "../../cpp/include/daemonkit.h"

namespace {

std::string told;
std::atomic<int> libc_handlers{0};
std::atomic<unsigned> turns{0};

// Runs from before the first fork, and as a copy in each child.
void* Turn(void*) {
  for (;;) {
    ++turns;
    usleep(500);
  }
}

void* Nothing(void*) {
  return nullptr;
}

// No thread is stopped: the old one turns, a new one starts and ends.
void Tell(const char* what) {
  const unsigned before = turns;
  while (turns == before) usleep(100);
  pthread_t thread;
  const bool started = pthread_create(&thread, nullptr, Nothing, nullptr) == 0;
  if (started) pthread_join(thread, nullptr);
  told += told.empty() ? "" : " ";
  told += what;
  if (!started) told += "!";
}

napi_value Undefined(napi_env env) {
  napi_value result;
  napi_get_undefined(env, &result);
  return result;
}

}  // namespace

// attach(forkInterface()): the interface's version.
napi_value Attach(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  void* data = nullptr;
  if (napi_get_value_external(env, argument, &data) != napi_ok) return Undefined(env);
  const auto* daemonkit = static_cast<const daemonkit_interface*>(data);
  pthread_t thread;
  pthread_create(&thread, nullptr, Turn, nullptr);
  pthread_detach(thread);
  pthread_atfork(nullptr, nullptr, [] { ++libc_handlers; });
  daemonkit->atfork([] { Tell("prepare1"); }, [] { Tell("parent1"); }, [] { Tell("child1"); });
  daemonkit->atfork(nullptr, nullptr, nullptr);
  daemonkit->atfork([] { Tell("prepare2"); }, [] { Tell("parent2"); }, [] { Tell("child2"); });
  napi_value version;
  napi_create_uint32(env, daemonkit->version, &version);
  return version;
}

// told(): the reports of the handlers since the last call.
napi_value Told(napi_env env, napi_callback_info) {
  napi_value text;
  napi_create_string_utf8(env, told.c_str(), told.size(), &text);
  told.clear();
  return text;
}

// libcHandlers(): how often those of pthread_atfork() ran.
napi_value LibcHandlers(napi_env env, napi_callback_info) {
  napi_value number;
  napi_create_int32(env, libc_handlers, &number);
  return number;
}
