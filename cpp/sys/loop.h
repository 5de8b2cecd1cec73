// What a libuv loop tells of itself: its descriptors, and what it has not written yet. To be called
// on the loop's own thread.
#pragma once

#include <uv.h>

#include <string>
#include <vector>

namespace sys {

// The descriptors of the loop itself, from the fields that uv.h declares. Those that it has not
// opened yet are left out.
std::vector<int> LoopDescriptors(const uv_loop_t& loop);

// The one of them that only some systems have, for watching files, or -1.
int FileWatchDescriptor(const uv_loop_t& loop);

// The descriptors of the handles that live on the loop: sockets, pipes, terminals, polls.
std::vector<int> HandleDescriptors(uv_loop_t& loop);

// The bytes that have been given to the stream with this descriptor and are not yet written.
std::string QueuedWrites(uv_loop_t& loop, int fd);

// Tells whoever gave them that these bytes are written, before the call returns. libuv itself would
// tell so on a later turn, and only after it has written them.
void CompleteWrites(uv_loop_t& loop, int fd);

// How many child processes the loop waits for.
int ProcessHandles(uv_loop_t& loop);

// In a copy of the process: has the loop wait for none of them and signal none of them, as they are
// the parent's children, whose pids may come to be anybody's.
void DisownProcesses(uv_loop_t& loop);

}  // namespace sys
