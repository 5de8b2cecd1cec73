// The place where threads wait: the parking signal, its handler, and the generation that tells one
// park from the next.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/failure.h"
#include "fork/park.h"

namespace livefork {

// Opens a park over these records and takes the signal over; gives its generation.
Failure OpenRendezvous(Thread* threads, uint32_t& generation);

// Sends the thread to its record, threads[index]. 0 or -errno.
long SendThere(int tid, size_t index);

// How many have come since the rendezvous was opened (see ExpectArrivals), and a wait of at most ns
// nanoseconds for that number to change; false if it did not.
uint32_t Arrivals();
bool AwaitArrival(uint32_t seen, uint64_t ns);

// Some thread that was sent for was not waited for: its signal may still be on the way, so the
// handler must stay.
void LeaveHandler();

}  // namespace livefork
