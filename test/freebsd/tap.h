// TAP from a program that has nothing but libc: each test in a process of its own, which may change
// its user, its root and its signals, and may hang.
#pragma once

#include <string>
#include <type_traits>

namespace tap {

struct Test {
  Test(const char* name, void (*run)());
  const char* name;
  void (*run)();
  Test* next = nullptr;
};

// Fails the running test and continues.
void Fail(const char* file, int line, const std::string& what);

// Ends the test that is running: what it cannot do without is missing.
[[noreturn]] void Skip(const char* why);
void NeedRoot();

template <typename A, typename B>
void Equal(const char* file, int line, const char* what, const A& got, const B& wanted) {
  auto shown = [](const auto& value) {
    if constexpr (std::is_convertible_v<decltype(value), std::string>) {
      return std::string(value);
    } else {
      return std::to_string(static_cast<long long>(value));
    }
  };
  const std::string is = shown(got);
  const std::string should = shown(wanted);
  if (is != should) Fail(file, line, std::string(what) + " is " + is + ", not " + should);
}

// Runs all of them; the exit code of the program.
int Main(int argc, char** argv);

}  // namespace tap

// TEST(name, "what holds") { ... }
#define TEST(id, title)                      \
  static void Run##id();                     \
  static tap::Test test##id(title, Run##id); \
  static void Run##id()
#define EQUAL(got, wanted) tap::Equal(__FILE__, __LINE__, #got, got, wanted)
#define HOLDS(condition)                                                     \
  do {                                                                       \
    if (!(condition)) tap::Fail(__FILE__, __LINE__, #condition " is false"); \
  } while (0)
