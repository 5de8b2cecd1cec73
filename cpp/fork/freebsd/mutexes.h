// The mutexes that a thread holds: each contains its owner's kernel id.
#pragma once

namespace livefork {

// nullptr if their list in libthr's record is found, or the obstacle.
const char* MutexObstacle();

// In the child: writes the new id into the mutexes that the thread of this record holds.
void GiveMutexes(char* record, long from, long to);

}  // namespace livefork
