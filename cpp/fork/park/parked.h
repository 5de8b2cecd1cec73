// The place where threads wait: the parking signal, its handler, and the generation that tells one
// park from the next. Between park.cc and parked.cc only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fork/base/failure.h"
#include "fork/park/park.h"

namespace livefork {

// struct sigaction as rt_sigaction(2) takes it; libc's differs.
struct KernelAction {
  void* handler;
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

struct Rendezvous {
  // A number, not a flag: a thread that has not yet left the last park must not take the next
  // fork's park for its own.
  // Begins with 1; 0 here, as one value that is not would put all of the state into the binary.
  std::atomic<uint32_t> generation{0};
  std::atomic<uint32_t> arrived{0};
  // The arrival that wakes whoever waits: a wake-up for each costs more than what the threads do.
  std::atomic<uint32_t> wanted{0};
  // Atomic, as a stray signal of a park that was given up reads them while the next one is opened.
  std::atomic<Thread*> threads{nullptr};
  std::atomic<int> pid{0};
  // Of the release; how many have done it, and how many of them in vain.
  std::atomic<Errand> errand{nullptr};
  const void* argument = nullptr;
  std::atomic<uint32_t> done{0}, failed{0};
  KernelAction previous{};
  bool installed = false;
  bool stray = false;  // an unhandled parking signal may still be on its way to some thread
};

// What a signal of ours is for.
enum class Purpose : uint32_t { kPark, kTakeId };

// Opens a park over these records and takes the signal over; gives its generation.
Failure OpenRendezvous(Thread* threads, uint32_t& generation);

// Takes the parking signal over, if it is not.
Failure InstallHandler();

// Sends a thread the parking signal: to its record, threads[index], if it is to park. seen is what
// it was last seen in. 0 or -errno.
long Send(int tid, Purpose purpose, size_t index, const Seen& seen);

// How many have come since the rendezvous was opened (see ExpectArrivals), and a wait of at most ns
// nanoseconds until there are as many as were wanted before; false if there were not.
uint32_t Arrivals();
void WantArrivals(uint32_t n);
bool AwaitArrivals(uint32_t seen, uint64_t ns);

// Some thread that was sent for was not waited for: its signal may still be on the way, so the
// handler must stay.
void LeaveHandler();

long FutexWait(std::atomic<uint32_t>& word, uint32_t value, uint64_t ns);
void FutexWake(std::atomic<uint32_t>& word);

}  // namespace livefork
