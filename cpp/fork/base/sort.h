// Sorts in place, with little code.
#pragma once

#include <algorithm>

namespace livefork {

// std::sort() takes 5 KB of code for each type of item in libc++ (introsort and its fallback), this
// a tenth of that. The worst case is also n log n.
template <typename T, typename Less>
void Sort(T* first, T* last, Less less) {
  std::make_heap(first, last, less);
  std::sort_heap(first, last, less);
}

}  // namespace livefork
