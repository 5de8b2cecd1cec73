// See numbers.cc. Calls test(passed, name) for each.
#pragma once

void CheckNumbers(void (*test)(bool, const char*));
