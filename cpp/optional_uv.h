// What the addon calls of libuv, as far as it may be missing: included before everything, by binding.gyp. Deno has
// few of these, and links them when the addon is loaded (-z now) rather than when they are called; lib/ calls
// none of them there (lib/addon/absent.ts).
#pragma once

#pragma weak uv_backend_fd
#pragma weak uv_close
#pragma weak uv_fileno
#pragma weak uv_handle_get_type
#pragma weak uv_is_active
#pragma weak uv_is_closing
#pragma weak uv_poll_init
#pragma weak uv_poll_start
#pragma weak uv_prepare_init
#pragma weak uv_prepare_start
#pragma weak uv_prepare_stop
#pragma weak uv_random
#pragma weak uv_ref
#pragma weak uv_run
#pragma weak uv_signal_init
#pragma weak uv_signal_start
#pragma weak uv_signal_stop
#pragma weak uv_timer_init
#pragma weak uv_timer_start
#pragma weak uv_timer_stop
#pragma weak uv_tty_reset_mode
#pragma weak uv_unref
#pragma weak uv_walk
