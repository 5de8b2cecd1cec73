#include "fork/park/held.h"

#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/auxv.h>

#include <atomic>
#include <cstdio>
#include <cstring>

#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

// A thread's robust list as in set_robust_list(2). An entry is the field of a mutex that contains
// the address of the next entry; the word before it contains the address of the previous one. The
// lowest bit is set if the next mutex has priority inheritance.
struct RobustList {
  void** next;
  long lock;
  void** pending;
};

struct Chain {
  void** head;
  ptrdiff_t lock;
};

Chain ChainOf(uintptr_t pointer, void* robust_list) {
  if (state.libc.held.offset != 0) {
    const uintptr_t head = pointer + static_cast<uintptr_t>(state.libc.held.offset);
    return {reinterpret_cast<void**>(head), state.libc.held.lock};
  }
  auto* list = static_cast<RobustList*>(robust_list);
  if (list == nullptr) return {nullptr, 0};
  return {reinterpret_cast<void**>(&list->next), list->lock};
}

void** EntryIn(void* word) {
  return reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(word) & ~uintptr_t{1});
}

void Replace(int* word, int old_id, int id) {
  auto* atomic = reinterpret_cast<std::atomic<uint32_t>*>(word);
  uint32_t value = atomic->load(std::memory_order_relaxed);
  while ((value & FUTEX_TID_MASK) == static_cast<uint32_t>(old_id) &&
         !atomic->compare_exchange_weak(value,
                                        (value & ~FUTEX_TID_MASK) | static_cast<uint32_t>(id))) {
  }
}

// The bit for PTHREAD_PROCESS_SHARED in both libcs.
bool IsShared(const int* lock) {
  constexpr int kShared = 128;
  return (lock[kKindBehindLock] & kShared) != 0;
}

void RenameFiles(uintptr_t pointer, int old_id, int id) {
  constexpr int kMost = 1 << 16;
  const HeldFiles& files = state.libc.held_files;
  if (files.offset == 0) return;
  char* file = *reinterpret_cast<char**>(pointer + static_cast<uintptr_t>(files.offset));
  for (int i = 0; i < kMost && file != nullptr; ++i) {
    Replace(reinterpret_cast<int*>(file + files.lock), old_id, id);
    file = *reinterpret_cast<char**>(file + files.next);
  }
}

// The first bytes of a stream before and after it is locked.
constexpr size_t kStreamSize = 224;  // sizeof(FILE) in 1.2.5, less than fmemopen() allocates
struct Locking {
  char before[kStreamSize], after[kStreamSize];
  explicit Locking(FILE* stream) {
    memcpy(before, static_cast<void*>(stream), kStreamSize);
    flockfile(stream);
    memcpy(after, static_cast<void*>(stream), kStreamSize);
  }
  // The offset where this value has appeared; 0: none.
  template <typename T>
  ptrdiff_t Find(T value) const {
    constexpr size_t kSize = sizeof(T);
    for (size_t at = kSize; at + kSize <= kStreamSize; at += kSize) {
      if (memcmp(after + at, &value, kSize) == 0 && memcmp(before + at, &value, kSize) != 0) {
        return static_cast<ptrdiff_t>(at);
      }
    }
    return 0;
  }
};

HeldFiles FindIn(FILE* first, FILE* second) {
  const auto record = reinterpret_cast<uintptr_t>(pthread_self());
  const Locking of_first(first), of_second(second);
  HeldFiles found;
  found.lock = of_first.Find(static_cast<int>(Sys(SYS_gettid)));
  found.next = of_second.Find(reinterpret_cast<uintptr_t>(first));
  for (uintptr_t at = record; at + sizeof(void*) <= record + kRecordSize; at += sizeof(void*)) {
    if (*reinterpret_cast<FILE* volatile*>(at) != second) continue;
    if (found.lock != 0 && found.next != 0) {
      found.offset = static_cast<ptrdiff_t>(at - ThreadPointer());
    }
  }
  funlockfile(second);
  funlockfile(first);
  return found;
}

}  // namespace

LibcCode FindCode() {
  LibcCode code{0, UINTPTR_MAX};
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void* found) {
        // On musl libc itself is the dynamic linker that the kernel starts.
        if (object->dlpi_addr == 0 || object->dlpi_addr != getauxval(AT_BASE)) return 0;
        uintptr_t size = 0;
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& part = object->dlpi_phdr[i];
          const uintptr_t end = part.p_vaddr + part.p_memsz;
          if (part.p_type == PT_LOAD && end > size) size = end;
        }
        *static_cast<LibcCode*>(found) = {object->dlpi_addr, object->dlpi_addr + size};
        return 1;
      },
      &code);
  return code;
}

HeldFiles FindHeldFiles() {
  char bytes[2];
  FILE* first = fmemopen(bytes, 1, "r");
  FILE* second = fmemopen(bytes + 1, 1, "r");
  HeldFiles found;
  if (first != nullptr && second != nullptr) found = FindIn(first, second);
  if (second != nullptr) fclose(second);
  if (first != nullptr) fclose(first);
  return found;
}

HeldList FindHeld() {
  pthread_mutexattr_t recursive;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&recursive);
  pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&mutex, &recursive);
  const auto record = reinterpret_cast<uintptr_t>(pthread_self());
  const auto begin = reinterpret_cast<uintptr_t>(&mutex), end = begin + sizeof mutex;
  HeldList found;
  pthread_mutex_lock(&mutex);
  const int tid = static_cast<int>(Sys(SYS_gettid));
  for (uintptr_t at = record + sizeof(void*); at < record + kRecordSize; at += sizeof(void*)) {
    const uintptr_t entry = *reinterpret_cast<volatile uintptr_t*>(at);
    if (entry < begin || entry >= end) continue;
    for (uintptr_t word = begin; word < end; word += sizeof(int)) {
      if (*reinterpret_cast<volatile int*>(word) != tid) continue;
      found = {static_cast<ptrdiff_t>(at - ThreadPointer()), static_cast<ptrdiff_t>(word - entry)};
    }
  }
  pthread_mutex_unlock(&mutex);
  return found;
}

void RenameHeld(uintptr_t pointer, void* robust_list, int old_id, int id) {
  constexpr int kMost = 2048;  // as ROBUST_LIST_LIMIT: the list may be circular
  RenameFiles(pointer, old_id, id);
  const Chain chain = ChainOf(pointer, robust_list);
  if (chain.head == nullptr) return;
  void** last = chain.head;
  void* next = *chain.head;
  for (int i = 0; i < kMost && next != nullptr && EntryIn(next) != chain.head; ++i) {
    void** const entry = EntryIn(next);
    int* const lock = reinterpret_cast<int*>(reinterpret_cast<char*>(entry) + chain.lock);
    if (!IsShared(lock)) {
      Replace(lock, old_id, id);
      if (kOwnerBehindLock > 0) Replace(lock + kOwnerBehindLock, old_id, id);
      if (*last != next) {
        *last = next;
        entry[-1] = last;
      }
      last = entry;
    }
    next = *entry;
  }
  if (*last != next) *last = next;
}

}  // namespace livefork
