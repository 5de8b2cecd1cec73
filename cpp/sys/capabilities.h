// capget(2).
#pragma once

namespace sys {

// Whether the calling thread has a permitted capability: the effective and the ambient ones are
// among those. 0 or 1, or -errno.
int HasCapabilities();

}  // namespace sys
