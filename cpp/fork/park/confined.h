// The privileges of a thread. A new thread inherits them from its creator. So a thread that differs
// from the forking thread would lose its restrictions in the child.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/failure.h"

namespace livefork {

struct Confinement {
  uint32_t ids[6];           // real, effective and saved user and group ids
  uint32_t capabilities[6];  // effective, permitted, inheritable; low words, high words
  uint32_t groups;           // a hash of the supplementary groups
  uint32_t bounds[2];        // the capability bounding set
  int secure_bits;
  int no_new_privileges;
  int seccomp;  // 0: none, 1: strict, 2: filters
};

// Of the calling thread.
void DescribeConfinement(Confinement& confinement);

struct Park;
struct Thread;

// Checks that every parked thread has the caller's ids, capabilities, no_new_privs and seccomp, and
// shares its file system settings and descriptor table. task is an open /proc/self/task.
Failure CheckConfinement(const Park& park, const Thread& self, int task);

// Of the privileges that /proc shows, and equal for equal ones. 0: they cannot be read.
uint64_t HashStatus(int task, int tid);

// The same without parking, from /proc; nullptr, or the reason why a fork would be refused.
const char* ConfinementObstacle(int task);

}  // namespace livefork
