{
  "variables": {
    "libc%": "<!(node -p \"process.report.excludeNetwork = true, process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'\")"
  },
  "targets": [
    {
      "target_name": "daemonkit",
      "type": "loadable_module",
      "sources": [
        "addon.cc",
        "atfork.cc",
        "engine.cc",
        "marshal_entropy.cc",
        "marshal_fork.cc",
        "marshal_loop.cc",
        "marshal_mapped.cc",
        "marshal_process.cc",
        "sys/chroot.cc",
        "sys/credentials.cc",
        "sys/dispositions.cc",
        "sys/exec.cc",
        "sys/fd.cc",
        "sys/flock.cc",
        "sys/launcher.cc",
        "sys/launcher_wait.cc",
        "sys/loop_leave.cc",
        "sys/loop.cc",
        "sys/mapped.cc",
        "sys/listen.cc",
        "sys/notify.cc",
        "sys/process.cc",
        "sys/reexec.cc",
        "sys/relay.cc",
        "sys/rlimit.cc",
        "sys/session.cc",
        "sys/signal_action.cc",
        "sys/signal_flag.cc",
        "sys/socketpair.cc",
        "sys/stdio.cc",
        "sys/trusted_open.cc",
        "sys/try_as.cc",
        "sys/v8_heap.cc",
        "watch.cc"
      ],
      "conditions": [
        ["OS=='linux' and target_arch in ['x64', 'arm64']", {
          "sources": [
            "fork/park/bottom.cc",
            "fork/freeze/claims.cc",
            "fork/park/confined.cc",
            "fork/freeze/conversations.cc",
            "fork/freeze/descriptors.cc",
            "fork/park/everywhere.cc",
            "fork/objects/file_watches.cc",
            "fork/fork.cc",
            "fork/freeze/file_requests.cc",
            "fork/freeze/history.cc",
            "fork/park/held.cc",
            "fork/park/idle.cc",
            "fork/park/ids.cc",
            "fork/objects/inotify.cc",
            "fork/freeze/main_loop.cc",
            "fork/freeze/mappings.cc",
            "fork/objects/marks.cc",
            "fork/objects/objects.cc",
            "fork/obstacles.cc",
            "fork/objects/only_hole.cc",
            "fork/objects/pairs.cc",
            "fork/park/park.cc",
            "fork/park/parked.cc",
            "fork/objects/pipes.cc",
            "fork/base/procfs.cc",
            "fork/freeze/registrations.cc",
            "fork/park/calls.cc",
            "fork/park/rest.cc",
            "fork/park/resume.cc",
            "fork/park/seen.cc",
            "fork/objects/files_in_use.cc",
            "fork/objects/ring.cc",
            "fork/objects/ring_setup.cc",
            "fork/objects/ring_shape.cc",
            "fork/objects/same_file.cc",
            "fork/rebuild/scheduling.cc",
            "fork/objects/severed.cc",
            "fork/objects/sockets.cc",
            "fork/freeze/table.cc",
            "fork/rebuild/threads.cc",
            "fork/objects/timers.cc",
            "fork/rebuild/twins.cc",
            "fork/freeze/waits.cc",
            "fork/objects/watch_numbers.cc"
          ],
          "include_dirs": ["fork/<(libc)"]
        }, "OS=='freebsd'", {
          "sources": [
            "fork/freebsd/fork.cc",
            "fork/freebsd/mutexes.cc",
            "fork/freebsd/park.cc",
            "fork/freebsd/snapshot.cc",
            "fork/freebsd/threads.cc",
            "fork/freebsd/twins.cc"
          ],
          "conditions": [
            ["target_arch=='x64'", { "include_dirs": ["fork/freebsd/x86_64"] }],
            ["target_arch=='arm64'", { "include_dirs": ["fork/freebsd/aarch64"] }]
          ]
        }, {
          "sources": ["fork/unsupported.cc"]
        }],
        ["OS=='linux' and target_arch=='x64'", {
          "sources": [
            "fork/x86_64/context.S",
            "fork/x86_64/instruction.cc",
            "fork/x86_64/number.cc"
          ],
          "include_dirs": ["fork/x86_64"]
        }],
        ["OS=='linux' and target_arch=='arm64'", {
          "sources": ["fork/aarch64/context.S"],
          "include_dirs": ["fork/aarch64"]
        }],
        ["OS=='freebsd'", {
          "sources": [
            "sys/anonymous_file_freebsd.cc",
            "sys/capabilities_freebsd.cc",
            "sys/close_range_freebsd.cc",
            "sys/credentials_freebsd.cc",
            "sys/descriptor_list_freebsd.cc",
            "sys/loop_freebsd.cc",
            "sys/parentage_freebsd.cc",
            "sys/pidfd_freebsd.cc",
            "sys/reuseport_freebsd.cc",
            "sys/rlimit_freebsd.cc",
            "sys/sender_freebsd.cc",
            "sys/socket_mode_freebsd.cc",
            "sys/signal_sender_freebsd.cc",
            "sys/stdio_freebsd.cc",
            "sys/try_as_freebsd.cc"
          ]
        }],
        ["OS=='linux'", {
          "sources": [
            "sys/anonymous_file_linux.cc",
            "sys/capabilities_linux.cc",
            "sys/close_range_linux.cc",
            "sys/credentials_linux.cc",
            "sys/descriptor_list_linux.cc",
            "sys/loop_linux.cc",
            "sys/parentage_linux.cc",
            "sys/pidfd_linux.cc",
            "sys/reuseport_linux.cc",
            "sys/rlimit_linux.cc",
            "sys/sender_linux.cc",
            "sys/socket_mode_linux.cc",
            "sys/signal_sender_linux.cc",
            "sys/stdio_linux.cc",
            "sys/try_as_linux.cc"
          ]
        }]
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "."],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags": ["-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20", "-fexceptions"],
      "cflags_cc": ["-include", "optional_uv.h", "-std=c++17", "-fno-exceptions", "-fno-rtti", "-fvisibility-inlines-hidden"],
      "ldflags": ["-Wl,-z,now", "-Wl,--exclude-libs,ALL"]
    }
  ]
}
