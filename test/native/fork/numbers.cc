// Which system call code is in front of: machine code by hand, at the edges of what is mapped.
#include "numbers.h"

#ifdef __x86_64__

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "arch.h"
#include "number.h"

namespace {

constexpr size_t kPage = 4096;

// Three pages, of which the one in the middle is readable, and the others are on demand.
unsigned char* Pages(bool before) {
  auto* pages = static_cast<unsigned char*>(
      mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (pages == MAP_FAILED) abort();
  if (!before && munmap(pages, kPage) != 0) abort();
  return pages + kPage;
}

struct Code {
  unsigned char bytes[64];
  size_t size;
};

template <size_t N>
Code Bytes(const unsigned char (&bytes)[N]) {
  Code code{{}, N};
  memcpy(code.bytes, bytes, N);
  return code;
}

// The result for code that is followed by `syscall`, and that ends at this place of a page.
long NumberAt(const Code& code, unsigned char* end, long stack = 0) {
  memcpy(end - 2, "\x0f\x05", 2);
  unsigned char* const at = end - 2 - code.size;
  memcpy(at, code.bytes, code.size);
  greg_t regs[NGREG] = {};
  regs[REG_RIP] = reinterpret_cast<greg_t>(end);
  regs[REG_RSP] = stack;
  regs[REG_RBX] = 35;
  regs[REG_RCX] = 7;
  regs[REG_R12] = 230;
  return livefork::NumberBehind(regs);
}

// In the middle of a page, whose bytes before are no instructions.
long Number(const Code& code) {
  unsigned char* const page = Pages(true);
  memset(page, 0x06, kPage);
  const long number = NumberAt(code, page + 512);
  munmap(page - kPage, 3 * kPage);
  return number;
}

// mov 0x18(%rsp),%rdx; mov $0x17,%eax; mov 0x10(%rsp),%rsi; mov 0xc(%rsp),%edi
const Code kSelect = Bytes({0x48, 0x8b, 0x54, 0x24, 0x18, 0xb8, 0x17, 0, 0, 0, 0x48, 0x8b, 0x74,
                            0x24, 0x10, 0x8b, 0x7c, 0x24, 0x0c});
// mov $0xca,%ecx; xor $0x189,%esi; mov $-1,%r9d; mov %rbp,%rdi; mov %ecx,%eax; xor %r14d,%esi
const Code kSemaphore =
    Bytes({0xb9, 0xca, 0,    0,    0,    0x81, 0xf6, 0x89, 0x01, 0,    0,    0x41, 0xb9,
           0xff, 0xff, 0xff, 0xff, 0x48, 0x89, 0xef, 0x89, 0xc8, 0x44, 0x31, 0xf6});

void CheckLines(void (*test)(bool, const char*)) {
  test(Number(kSelect) == 23, "a number that other moves follow (glibc 2.31, select)");
  test(Number(kSemaphore) == 202, "one by way of a register (glibc 2.31, sem_wait)");
  // mov %ebx,%eax; lea 8(%rsp),%rsi
  test(Number(Bytes({0x89, 0xd8, 0x48, 0x8d, 0x74, 0x24, 8})) == 35,
       "one in a register that still has it");
  // mov %r12d,%eax; xor %edi,%edi
  test(Number(Bytes({0x44, 0x89, 0xe0, 0x31, 0xff})) == 230, "one in a register with a prefix");
  // xor %eax,%eax; mov %rsp,%rsi
  test(Number(Bytes({0x31, 0xc0, 0x48, 0x89, 0xe6})) == 0, "read(2), whose number is 0");
  // mov $0x10f,%eax; mov $8,%r8d
  test(Number(Bytes({0xb8, 0x0f, 1, 0, 0, 0x41, 0xb8, 8, 0, 0, 0})) == 271,
       "what is put into r8 is no number");
  // mov $0x17,%eax; mov $0xffffffff,%eax
  test(Number(Bytes({0xb8, 0x17, 0, 0, 0, 0xb8, 0xff, 0xff, 0xff, 0xff})) != 23,
       "one that is overwritten does not count");
}

void CheckUnknown(void (*test)(bool, const char*)) {
  // mov $0x17,%eax; call +0; mov %rsp,%rsi
  test(Number(Bytes({0xb8, 0x17, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0x48, 0x89, 0xe6})) < 0,
       "one before a call is not known");
  // mov $0x17,%eax; add $1,%al; nop
  test(Number(Bytes({0xb8, 0x17, 0, 0, 0, 0x80, 0xc0, 1, 0x90})) < 0, "nor one that changes");
  // mov %ecx,%eax; nop: the call has overwritten it
  test(Number(Bytes({0x89, 0xc8, 0x90})) < 0, "nor one in rcx alone");
  // mov %ebx,%eax; xor %ebx,%ebx
  test(Number(Bytes({0x89, 0xd8, 0x31, 0xdb})) < 0, "nor one whose register changes");
  // mov %r11d,%eax; nop: without its prefix it would be ebx
  test(Number(Bytes({0x44, 0x89, 0xd8, 0x90})) < 0, "nor one in r11");
}

void CheckEdges(void (*test)(bool, const char*)) {
  const size_t size = kSelect.size + 2;
  unsigned char* page = Pages(false);
  test(NumberAt(kSelect, page + size) == 23, "code at the beginning of what is mapped");
  memset(page, 0x90, kPage);
  memcpy(page, "\x0f\x05", 2);
  greg_t regs[NGREG] = {};
  regs[REG_RIP] = reinterpret_cast<greg_t>(page + 2);
  test(livefork::NumberBehind(regs) < 0, "a syscall that is the first of what is mapped");
  regs[REG_RIP] = reinterpret_cast<greg_t>(page);
  test(livefork::NumberBehind(regs) < 0, "an instruction that is the first of what is mapped");
  munmap(page, 2 * kPage);
  page = Pages(true);
  memset(page - kPage, 0x06, 2 * kPage);
  test(NumberAt(kSelect, page + 6) == 23, "code across the beginning of a page");
  munmap(page - kPage, 3 * kPage);
}

// glibc's syscall(2), up to the instruction.
const Code kFunction =
    Bytes({0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca,
           0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08});

// mov $128,%edi; xor %eax,%eax; call `to`. Returns where the call comes back.
unsigned char* PutCaller(unsigned char* at, const unsigned char* to) {
  const unsigned char set[] = {0xbf, 0x80, 0, 0, 0, 0x31, 0xc0, 0xe8};
  memcpy(at, set, sizeof set);
  unsigned char* const back = at + sizeof set + 4;
  const auto distance = static_cast<int32_t>(to - back);
  memcpy(back - 4, &distance, sizeof distance);
  return back;
}

void CheckFunction(void (*test)(bool, const char*)) {
  unsigned char* const page = Pages(true);
  memset(page, 0x06, kPage);
  unsigned char* const end = page + 512;
  const unsigned char* const function = end - 2 - kFunction.size;
  long stack[4] = {};
  const auto ask = [&](const unsigned char* to) {
    stack[0] = reinterpret_cast<long>(PutCaller(page + 1024, to));
    return NumberAt(kFunction, end, reinterpret_cast<long>(stack));
  };
  test(ask(function) == 128, "syscall(2): what its caller passed to it");
  test(ask(function - 16) < 0, "not what was passed to another function, which jumped to it");
  // jmp *slot(%rip)
  unsigned char* const stub = page + 2048;
  const int32_t distance = 1024 - 6;
  memcpy(stub, "\xff\x25", 2);
  memcpy(stub + 2, &distance, sizeof distance);
  memcpy(stub + 1024, &function, sizeof function);
  test(ask(stub) == 128, "by way of the linker's stub");
  const unsigned char* const other = page;
  memcpy(stub + 1024, &other, sizeof other);
  test(ask(stub) < 0, "not by way of another one's");
  test(ask(page + (1 << 30)) < 0, "nor of one that is not there");
  stack[0] = 8;
  test(NumberAt(kFunction, end, reinterpret_cast<long>(stack)) < 0, "a caller that is none");
  test(NumberAt(kFunction, end, 8) < 0, "a stack that is not there");
  munmap(page - kPage, 3 * kPage);
}

}  // namespace

void CheckNumbers(void (*test)(bool, const char*)) {
  CheckLines(test);
  CheckUnknown(test);
  CheckEdges(test);
  CheckFunction(test);
}

#else

void CheckNumbers(void (*)(bool, const char*)) {}

#endif
