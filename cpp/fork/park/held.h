// The locks that a thread holds and that store its id, as listed in libc's record of the thread.
// musl lists mutexes of every type except the normal one, and streams (flockfile(3)); glibc lists
// robust mutexes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livefork {

struct HeldList {
  ptrdiff_t offset = 0;  // from the thread pointer to the list's head; 0: not known
  ptrdiff_t lock = 0;    // from an entry to the lock's word
};

struct HeldFiles {
  ptrdiff_t offset = 0;          // from the thread pointer to the address of the last locked stream
  ptrdiff_t lock = 0, next = 0;  // in a FILE: the lock's word, the next stream's address
};

// The address range of libc's code. Zero until it is found, like everything in State: an object of
// 144 kB with other initial values would take this room in the file.
struct LibcCode {
  uintptr_t begin = 0, end = 0;
  bool Has(uintptr_t place) const { return place >= begin && place < end; }
};

// For musl: all mapped parts. Everything, if it is not a separate object.
LibcCode FindCode();

// Finds the lists by taking locks. A list that is not found has offset 0.
HeldList FindHeld();
HeldFiles FindHeldFiles();

// In the child. Locks in memory that is shared with other processes stay the parent's, and are
// removed from the list, because neighbours in the list write to each other. All others get the new
// id.
void RenameHeld(uintptr_t pointer, void* robust_list, int old_id, int id);

}  // namespace livefork
