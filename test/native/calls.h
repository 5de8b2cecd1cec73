// A thread that waits repeatedly in a system call whose number is only in the code before it.
#pragma once

namespace calls {

// Which code (calls.cc): 0 to Kinds() - 1. Starts the thread for it.
int Kinds();
void Start(int kind);

// How often it has waited, and how often the wait ended in another way than by its limit.
int Made();
int Cut();

}  // namespace calls
