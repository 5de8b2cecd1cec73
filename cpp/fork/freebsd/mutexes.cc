#include "fork/freebsd/mutexes.h"

#include <pthread.h>
#include <sys/types.h>
// Its types first.
#include <sys/umtx.h>

#include <cstdint>
#include <cstring>

namespace livefork {
namespace {

// A queue(3) TAILQ's head: the first one, and where the last one has its link.
struct Head {
  char* first;
  char** end;
};

// Where libthr keeps the head within a thread's record, and the link within a mutex. Both have
// moved between versions (thr_private.h), so they are looked for, not trusted.
struct Places {
  size_t head;
  size_t link;
  bool found;
};

// A record has some 1.2 KiB, of which defer_waiters, after the lists, takes 400 bytes.
constexpr size_t kRecord = 768;
constexpr size_t kMutex = 256;

// A pthread_mutex_t is a pointer to libthr's own, until it is one that processes share.
char* Address(pthread_mutex_t& mutex) {
  char* address;
  memcpy(&address, &mutex, sizeof address);
  return address;
}

// With two that the caller holds the list of them has a form that nothing else has. There are two
// lists next to each other: of all, and of those of this process alone, by a further link. The
// latter is what libthr's own fork(3) goes through (queue_fork() in thr_mutex.c), and comes last.
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

// In a thread of its own, which holds nothing else: whoever loads an addon may.
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
  return Known().found ? nullptr
                       : "libthr keeps the mutexes of a thread at an unexpected place";
}

void GiveMutexes(char* record, long from, long to) {
  const Places& places = Known();
  char* mutex;
  memcpy(&mutex, record + places.head, sizeof mutex);
  while (mutex != nullptr) {
    // umutex has its owner first: the id, and a bit that says that others wait.
    auto* owner = reinterpret_cast<uint32_t*>(mutex);
    if ((*owner & ~UMUTEX_CONTESTED) == static_cast<uint32_t>(from)) {
      *owner = static_cast<uint32_t>(to) | (*owner & UMUTEX_CONTESTED);
    }
    memcpy(&mutex, mutex + places.link, sizeof mutex);
  }
}

}  // namespace livefork
