// The descriptors of a libuv loop, and its pending writes. Call these on the loop's own thread.
#pragma once

#include <uv.h>

#include <string>
#include <vector>

namespace sys {

// The descriptors of the loop itself, from the fields in uv.h, without those that are not open yet.
std::vector<int> LoopDescriptors(const uv_loop_t& loop);

// The loop's descriptor for watching files, which only some systems have, or -1.
int FileWatchDescriptor(const uv_loop_t& loop);

// The descriptors of the loop's handles: sockets, pipes, terminals, polls.
std::vector<int> HandleDescriptors(uv_loop_t& loop);

// The queued bytes of the stream with this descriptor that are not written yet.
std::string QueuedWrites(uv_loop_t& loop, int fd);

// Calls the callbacks of these writes as successful before it returns. libuv itself would call them
// in a later turn, and only after it has written the bytes.
void CompleteWrites(uv_loop_t& loop, int fd);

// How many child processes the loop waits for.
int ProcessHandles(uv_loop_t& loop);

// In a fork: the loop then neither waits for child processes nor signals them, because they are the
// parent's children, whose pids may be reused.
void DisownProcesses(uv_loop_t& loop);

}  // namespace sys
