// The place where threads wait: the parking signal, its handler, and the generation that
// distinguishes parks. Only for park.cc, parked.cc and rest.cc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fork/base/failure.h"
#include "fork/park/park.h"
#include "fork/park/seen.h"

namespace livefork {

// struct sigaction of rt_sigaction(2), which differs from libc's.
struct KernelAction {
  void* handler;
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

struct Rendezvous {
  // A number, not a flag: a thread that has not left the last park yet must not mistake the next
  // fork's park for it. Generations begin with 1; the initial value is 0, because any other value
  // would put the whole state into the binary.
  std::atomic<uint32_t> generation{0};
  std::atomic<uint32_t> arrived{0};
  // The arrival that wakes the waiting thread: a wake-up for each arrival would cost more than the
  // threads' own work.
  std::atomic<uint32_t> wanted{0};
  // Atomic, because a stray signal of an abandoned park reads them while the next one is opened.
  std::atomic<Thread*> threads{nullptr};
  std::atomic<int> pid{0};
  // The function of the release; how many threads have run it, and how many of them failed.
  std::atomic<Errand> errand{nullptr};
  const void* argument = nullptr;
  std::atomic<uint32_t> done{0}, failed{0};
  KernelAction previous{};
  bool installed = false;
  bool stray = false;  // an unhandled parking signal may still be pending for a thread
};

// The purpose of our signal.
enum class Purpose : uint32_t { kPark, kTakeId };

// Opens a park over these records and takes the signal over; returns the generation.
Failure OpenRendezvous(Thread* threads, uint32_t& generation);

// Takes the parking signal over, unless this is done already.
Failure InstallHandler();

// Sends a thread the parking signal. To park it, index identifies its record. seen is its last
// observed call. 0 or -errno.
long Send(int tid, Purpose purpose, size_t index, const Seen& seen);

// Of a thread that is parked, or rebuilt in the child: returns when this park is over.
void Arrive(uint32_t generation);

// The number of arrivals since the rendezvous was opened (see ExpectArrivals), and a wait of at
// most ns nanoseconds until the wanted number is reached; false if it is not.
uint32_t Arrivals();
void WantArrivals(uint32_t n);
bool AwaitArrivals(uint32_t seen, uint64_t ns);

// A signalled thread was abandoned. Its signal may still be pending, so the handler must stay.
void LeaveHandler();

}  // namespace livefork
