// A native module that handles SIGALRM, or -DSIGNAL=..., by itself, as any addon may. Built by the
// tests; with -DRAISE it raises the signal instead and returns the resulting errno.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef SIGNAL
#define SIGNAL SIGALRM
#endif

#ifndef RAISE
static void handler(int number, siginfo_t* info, void* context) {
  (void)context;
  char text[] = "foreign 0\n";
  if (number == SIGNAL && info->si_pid == getpid()) text[8] = '1';
  if (write(1, text, sizeof text - 1) < 0) _exit(111);
  errno = 99;
}
#endif

void* napi_register_module_v1(void* env, void* exports) {
  (void)env;
#ifdef RAISE
  errno = 77;
  for (int i = 0; i < RAISE; i++) raise(SIGNAL);
  printf("errno %d\n", errno);
  fflush(stdout);
#else
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGNAL, &action, NULL);
#endif
  return exports;
}
