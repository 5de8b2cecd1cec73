/*
 * pthread_atfork(3) for the fork() of daemonkit. Other native addons include this file.
 *
 * daemonkit's fork() is a raw clone(2), so handlers of pthread_atfork() do not run: libuv's handler
 * would discard the thread pool, which the child keeps. An addon that must handle forks, because it
 * seeds a generator or caches its pid, registers here:
 *
 *   const { forkInterface } = await import('daemonkit');    // JavaScript hands the interface over
 *   addon.attach(forkInterface());
 *
 *   void* data;                                             // in the addon
 *   if (napi_get_value_external(env, value, &data) != napi_ok) return;
 *   const struct daemonkit_interface* daemonkit = data;
 *   daemonkit->atfork(lock, unlock, renew);
 *
 * A child has all threads of its parent, and the locks still have their owners. So handlers need
 * not take locks, as they must with pthread_atfork(). They only handle connections, shared mappings
 * and seeded generators.
 */
#ifndef DAEMONKIT_H
#define DAEMONKIT_H

#ifdef __cplusplus
extern "C" {
#endif

struct daemonkit_interface {
  /* 1. Later versions only add members, and increase this number. */
  unsigned version;

  /*
   * Registers handlers for each fork that daemonkit makes in this process; each may be NULL. All
   * run on the main thread, outside of JavaScript, while no other thread is stopped, and may use
   * libc freely:
   *
   * prepare  in the parent, before a thread is stopped; the last registered first
   * parent   in the parent, when its threads run again, also if there is no child; the first first
   * child    in the child, when it has all its threads, before any JavaScript; the first first
   *
   * Handlers cannot be removed, so a library with handlers must not be unloaded. May be called on
   * any thread. Returns 0, or ENOMEM.
   */
  int (*atfork)(void (*prepare)(void), void (*parent)(void), void (*child)(void));
};

#ifdef __cplusplus
}
#endif

#endif
