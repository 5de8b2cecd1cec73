// Sockets and pipes of which it was once found out whether another thread has them. A thread that
// is between two calls when it is parked tells nothing of the socket that it will read next.
#pragma once

#include <cstdint>

namespace livefork {

// By inode, which the kernel counts upward and gives to no other socket for long.
enum class Known : uint8_t { kNothing, kForeign, kNobodys };

Known Remembered(uint64_t inode);
void Remember(uint64_t inode, Known what);

// Is it worth another look in a moment, as a thread may only just be running? True for the first
// 10 ms of asking.
bool WorthAnotherLook();

}  // namespace livefork
