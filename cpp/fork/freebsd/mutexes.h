// The mutexes that a thread holds: each names its owner by the kernel's id.
#pragma once

namespace livefork {

// Where libthr's record lists them, or nullptr and what is in the way.
const char* MutexObstacle();

// In the child: those that the thread of this record held by its old id are its own by the new one.
void GiveMutexes(char* record, long from, long to);

}  // namespace livefork
