// What a process may do that others may not: capget(2), prctl(2).
#pragma once

namespace sys {

// Whether the calling thread has a permitted capability: the effective and the ambient ones are
// among those. 0 or 1, or -errno.
int HasCapabilities();

// Programs that the calling thread execs get no privileges that it has not: no_new_privs, and an
// empty inheritable set. 0, or -errno.
int SetNoNewPrivileges();

}  // namespace sys
