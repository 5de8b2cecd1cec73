#include "sys/rlimit.h"

#include <sys/resource.h>

#include "children.h"
#include "tap.h"

TEST(Resources, "rlimits: every resource of the table can be read, POSIX's are there") {
  std::string names;
  for (const auto& [name, number] : sys::RlimitResources()) {
    EQUAL(std::get<0>(sys::Getrlimit(number)), 0);
    names += name + " ";
  }
  for (const char* name : {"AS ", "CORE ", "CPU ", "DATA ", "FSIZE ", "NOFILE ", "STACK "}) {
    HOLDS(names.find(name) != std::string::npos);
  }
  EQUAL(std::get<0>(sys::Getrlimit(1000)), -EINVAL);
}

TEST(Limits, "setrlimit: soft and hard, no limit as the highest number") {
  EQUAL(sys::Setrlimit(RLIMIT_NOFILE, 50, 60), 0);
  const auto [error, soft, hard] = sys::Getrlimit(RLIMIT_NOFILE);
  EQUAL(error, 0);
  EQUAL(soft, 50U);
  EQUAL(hard, 60U);
  EQUAL(sys::Setrlimit(RLIMIT_NOFILE, 61, 60), -EINVAL);
  const auto [failed, time, most] = sys::Getrlimit(RLIMIT_CPU);
  if (failed == 0 && most == ~uint64_t{0}) EQUAL(sys::Setrlimit(RLIMIT_CPU, most, most), 0);
  if (failed == 0 && time == ~uint64_t{0}) EQUAL(std::get<1>(sys::Getrlimit(RLIMIT_CPU)), time);
}
