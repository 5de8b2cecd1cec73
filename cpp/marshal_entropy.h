// What a copy of the process must not draw again: cpp/sys/v8_heap.h, by the functions that draw it.
#pragma once

#include <napi.h>

namespace marshal {

// entropyFound(mathRandom, randomUUID): [the generator, the caches of node:crypto], whether each is
// found. Leaves both as they were.
Napi::Value EntropyFound(const Napi::CallbackInfo& info);

// refreshEntropy(mathRandom, randomUUID): new numbers for what was found; whether all went well.
Napi::Value RefreshEntropy(const Napi::CallbackInfo& info);

// randomIntCache(randomInt): the array that the function takes its numbers from, or undefined.
Napi::Value RandomIntCache(const Napi::CallbackInfo& info);

// fillRandom(array): whether the system gave that many random bytes.
Napi::Value FillRandom(const Napi::CallbackInfo& info);

}  // namespace marshal
