// Sorting in place, in little code.
#pragma once

#include <algorithm>

namespace livefork {

// std::sort() is 5 KB for each kind of item in libc++ (introsort and what it falls back to), this a
// tenth of that; as long as n log n takes at worst, too.
template <typename T, typename Less>
void Sort(T* first, T* last, Less less) {
  std::make_heap(first, last, less);
  std::sort_heap(first, last, less);
}

}  // namespace livefork
