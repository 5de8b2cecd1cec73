// See sleeps.cc. Calls test(passed, name) for each.
#pragma once

#include "fork/base/arena.h"

void CheckSleeps(void (*test)(bool, const char*), livefork::Arena& arena);
