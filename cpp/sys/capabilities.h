// Capabilities: capget(2), prctl(2).
#pragma once

namespace sys {

// Whether the calling thread has a permitted capability; these include the effective and ambient
// ones. 0 or 1, or -errno.
int HasCapabilities();

// Programs that the calling thread executes gain no privileges: no_new_privs, and an empty
// inheritable set. 0, or -errno.
int SetNoNewPrivileges();

}  // namespace sys
