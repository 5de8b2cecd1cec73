// getrlimit(2), setrlimit(2).
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace sys {

// The system's resources by name and number: {"NOFILE", RLIMIT_NOFILE}.
std::vector<std::tuple<std::string, int>> RlimitResources();

// {0 or -errno, soft, hard}; the highest value means no limit.
std::tuple<int, uint64_t, uint64_t> Getrlimit(int resource);

// 0, or -errno.
int Setrlimit(int resource, uint64_t soft, uint64_t hard);

}  // namespace sys
