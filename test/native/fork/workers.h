// Threads that do what fork() must carry over; each counts its rounds, and finds by itself what is
// not as it was.
#pragma once

#include <cstddef>
#include <cstdint>

struct Workers;

// All of them; their descriptors are close-on-exec, so each process gets its own. Steady ones start
// no threads of their own.
Workers& StartWorkers(bool steady);

constexpr size_t kMaxWorkers = 16;
struct Progress {
  uint64_t rounds[kMaxWorkers];
};
size_t ReadProgress(const Workers& workers, Progress& progress);
const char* WorkerName(size_t index);

// The first thing that a worker found wrong, or nullptr.
const char* Fault(const Workers& workers);

// Ends those that never wait in a system call, and the rest.
void StopBusyWorkers(Workers& workers);
void StopWorkers(Workers& workers);
