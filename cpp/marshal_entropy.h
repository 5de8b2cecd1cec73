// The random state that a fork must not reuse: cpp/sys/v8_heap.h, reached through the functions
// that use it.
#pragma once

#include <napi.h>

namespace marshal {

// entropyFound(mathRandom, randomUUID): whether [the generator, the caches of node:crypto] are
// found. Does not change them.
Napi::Value EntropyFound(const Napi::CallbackInfo& info);

// refreshEntropy(mathRandom, randomUUID): reseeds what was found; returns whether all succeeded.
Napi::Value RefreshEntropy(const Napi::CallbackInfo& info);

// randomIntCache(randomInt): the array from which the function takes its numbers, or undefined.
Napi::Value RandomIntCache(const Napi::CallbackInfo& info);

// fillRandom(array): fills the array with random bytes; returns whether the system had enough.
Napi::Value FillRandom(const Napi::CallbackInfo& info);

}  // namespace marshal
