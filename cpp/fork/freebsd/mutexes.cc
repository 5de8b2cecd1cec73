#include "fork/freebsd/mutexes.h"

#include <pthread.h>
#include <sys/types.h>
// First, for its types.
#include <sys/umtx.h>

#include <cstdint>
#include <cstring>

namespace livefork {
namespace {

// The head of a queue(3) TAILQ: the first item, and the address of the last item's link.
struct Head {
  char* first;
  char** end;
};

// The offsets of the head in a thread's record and of the link in a mutex. Both have changed
// between versions (thr_private.h), so they are searched for.
struct Places {
  size_t head;
  size_t link;
  bool found;
};

// A record has about 1.2 KiB; defer_waiters, after the lists, takes 400 bytes of it.
constexpr size_t kRecord = 768;
constexpr size_t kMutex = 256;

// A pthread_mutex_t is a pointer to libthr's struct, unless processes share the mutex.
char* Address(pthread_mutex_t& mutex) {
  char* address;
  memcpy(&address, &mutex, sizeof address);
  return address;
}

// With two mutexes that the caller holds, their list has a unique form. There are two adjacent
// lists: of all mutexes, and of the mutexes private to this process, by another link. libthr's own
// fork(3) uses the latter (queue_fork() in thr_mutex.c), which comes last.
Places Find(const char* record, char* one, char* two) {
  Places places{};
  for (size_t at = 0; at + sizeof(Head) <= kRecord; at += sizeof(void*)) {
    Head head;
    memcpy(&head, record + at, sizeof head);
    const auto link = reinterpret_cast<uintptr_t>(head.end) - reinterpret_cast<uintptr_t>(two);
    if (head.first != one || link >= kMutex || link % sizeof(void*) != 0) continue;
    char* next;
    memcpy(&next, one + link, sizeof next);
    if (next == two) places = {at, link, true};
  }
  return places;
}

// Runs in a separate thread, which holds no other mutex. The thread that loads an addon may hold
// some.
void* Probe(void* result) {
  auto& places = *static_cast<Places*>(result);
  pthread_mutex_t one, two;
  if (pthread_mutex_init(&one, nullptr) != 0) return nullptr;
  if (pthread_mutex_init(&two, nullptr) == 0) {
    pthread_mutex_lock(&one);
    pthread_mutex_lock(&two);
    places = Find(reinterpret_cast<const char*>(pthread_self()), Address(one), Address(two));
    pthread_mutex_unlock(&two);
    pthread_mutex_unlock(&one);
    pthread_mutex_destroy(&two);
  }
  pthread_mutex_destroy(&one);
  return nullptr;
}

Places FindPlaces() {
  Places places{};
  pthread_t thread;
  if (pthread_create(&thread, nullptr, Probe, &places) == 0) pthread_join(thread, nullptr);
  return places;
}

const Places& Known() {
  static const Places places = FindPlaces();
  return places;
}

}  // namespace

const char* MutexObstacle() {
  return Known().found ? nullptr : "libthr keeps the mutexes of a thread at an unexpected place";
}

void GiveMutexes(char* record, long from, long to) {
  const Places& places = Known();
  char* mutex;
  memcpy(&mutex, record + places.head, sizeof mutex);
  while (mutex != nullptr) {
    // umutex begins with its owner: the id, and a bit for waiters.
    auto* owner = reinterpret_cast<uint32_t*>(mutex);
    if ((*owner & ~UMUTEX_CONTESTED) == static_cast<uint32_t>(from)) {
      *owner = static_cast<uint32_t>(to) | (*owner & UMUTEX_CONTESTED);
    }
    memcpy(&mutex, mutex + places.link, sizeof mutex);
  }
}

}  // namespace livefork
