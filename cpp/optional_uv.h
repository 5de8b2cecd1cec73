// Functions of libuv that may be missing; binding.gyp includes this file before all others. Deno
// has few of these functions, and links them when the addon is loaded (-z now), not when they are
// called; lib/ does not call them there (lib/addon/absent.ts). By the assembler, because #pragma
// weak needs uv.h, which most files do not include.
#pragma once

#ifndef __ASSEMBLER__  // the .S files include this too
__asm__(".weak uv_backend_fd");
__asm__(".weak uv_close");
__asm__(".weak uv_fileno");
__asm__(".weak uv_fs_event_stop");
__asm__(".weak uv_fs_poll_stop");
__asm__(".weak uv_handle_get_type");
__asm__(".weak uv_has_ref");
__asm__(".weak uv_is_active");
__asm__(".weak uv_is_closing");
__asm__(".weak uv_loop_alive");
__asm__(".weak uv_mutex_lock");
__asm__(".weak uv_mutex_unlock");
__asm__(".weak uv_poll_init");
__asm__(".weak uv_poll_start");
__asm__(".weak uv_prepare_init");
__asm__(".weak uv_prepare_start");
__asm__(".weak uv_prepare_stop");
__asm__(".weak uv_queue_work");
__asm__(".weak uv_random");
__asm__(".weak uv_ref");
__asm__(".weak uv_run");
__asm__(".weak uv_signal_init");
__asm__(".weak uv_signal_start");
__asm__(".weak uv_signal_stop");
__asm__(".weak uv_timer_init");
__asm__(".weak uv_timer_start");
__asm__(".weak uv_timer_stop");
__asm__(".weak uv_tty_reset_mode");
__asm__(".weak uv_unref");
__asm__(".weak uv_walk");
#endif
