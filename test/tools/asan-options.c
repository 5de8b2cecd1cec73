// The sanitizers' options, in a library that test/tools/asan.ts puts before theirs: ASAN_OPTIONS is read
// from /proc/self/environ, which a chroot without /proc does not have.

// Node leaks on exit. V8 has a SIGSEGV handler for WebAssembly, and tests look at who handles SIGBUS
// and SIGFPE: an end by the signal is a failure too. An alternate stack, or frames on the heap, would
// be one more thing that a rebuilt thread has.
#define QUIET "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:allow_user_segv_handler=1"
#define PLAIN "use_sigaltstack=0:detect_stack_use_after_return=0"
// This library is the first, not ASan's.
#define ORDER "verify_asan_link_order=0"
#define OUTCOME "halt_on_error=1:print_stacktrace=1:exitcode=86:log_path=" REPORTS

const char *__asan_default_options(void) {
  return QUIET ":" PLAIN ":" ORDER ":" OUTCOME "/asan";
}

const char *__ubsan_default_options(void) {
  return OUTCOME "/ubsan";
}
