#include "atfork.h"

#include <cerrno>
#include <mutex>
#include <new>

#include "engine.h"
#include "include/daemonkit.h"

namespace atfork {

namespace {

using Hook = void (*)();

// In order of registration. Never removed, so that they can be read without the lock.
struct Handlers {
  Hook prepare;
  Hook parent;
  Hook child;
  Handlers* before;
  Handlers* next;
};

std::mutex registering;
Handlers* first = nullptr;
Handlers* last = nullptr;

int Register(Hook prepare, Hook parent, Hook child) {
  auto* handlers = new (std::nothrow) Handlers{prepare, parent, child, nullptr, nullptr};
  if (handlers == nullptr) return ENOMEM;
  const std::lock_guard<std::mutex> lock(registering);
  handlers->before = last;
  (last == nullptr ? first : last->next) = handlers;
  last = handlers;
  return 0;
}

// The handlers of one fork. What a handler registers counts for the next fork.
Handlers* first_of_fork = nullptr;
Handlers* last_of_fork = nullptr;

void RunForward(Hook Handlers::*phase) {
  for (Handlers* at = first_of_fork; at != nullptr; at = at->next) {
    if (at->*phase != nullptr) (at->*phase)();
    if (at == last_of_fork) break;
  }
}

void RunPrepare() {
  {
    const std::lock_guard<std::mutex> lock(registering);
    first_of_fork = first;
    last_of_fork = last;
  }
  for (Handlers* at = last_of_fork; at != nullptr; at = at->before) {
    if (at->prepare != nullptr) at->prepare();
  }
}

// Begins with the public struct for addons. The rest is for other copies of this addon, and must
// not change.
struct Shared {
  daemonkit_interface interface;
  const engine::Engine* engine;
  Hook prepare;
  Hook parent;
  Hook child;
};

const Shared kOwn{{1, Register},
                  &engine::Current(),
                  RunPrepare,
                  [] { RunForward(&Handlers::parent); },
                  [] { RunForward(&Handlers::child); }};

const Shared* shared = &kOwn;

}  // namespace

Napi::Value Interface(const Napi::CallbackInfo& info) {
  void* others = nullptr;
  if (napi_get_value_external(info.Env(), info[0], &others) == napi_ok) {
    shared = static_cast<const Shared*>(others);
    engine::Adopt(*shared->engine);
  }
  return Napi::External<void>::New(info.Env(), const_cast<Shared*>(shared));
}

void Prepare() {
  shared->prepare();
}

void Parent() {
  shared->parent();
}

void Child() {
  shared->child();
}

}  // namespace atfork
