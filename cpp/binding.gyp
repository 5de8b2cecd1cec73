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
        "marshal_entropy.cc",
        "marshal_fork.cc",
        "marshal_loop.cc",
        "marshal_process.cc",
        "sys/chroot.cc",
        "sys/credentials.cc",
        "sys/dispositions.cc",
        "sys/exec.cc",
        "sys/fd.cc",
        "sys/flock.cc",
        "sys/launcher.cc",
        "sys/loop.cc",
        "sys/listen.cc",
        "sys/notify.cc",
        "sys/process.cc",
        "sys/reexec.cc",
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
            "fork/claims.cc",
            "fork/confined.cc",
            "fork/conversations.cc",
            "fork/descriptors.cc",
            "fork/everywhere.cc",
            "fork/file_watches.cc",
            "fork/fork.cc",
            "fork/history.cc",
            "fork/idle.cc",
            "fork/ids.cc",
            "fork/inotify.cc",
            "fork/main_loop.cc",
            "fork/mappings.cc",
            "fork/marks.cc",
            "fork/objects.cc",
            "fork/obstacles.cc",
            "fork/only_hole.cc",
            "fork/pairs.cc",
            "fork/park.cc",
            "fork/parked.cc",
            "fork/pipes.cc",
            "fork/procfs.cc",
            "fork/registrations.cc",
            "fork/resume.cc",
            "fork/read_files.cc",
            "fork/ring.cc",
            "fork/ring_setup.cc",
            "fork/ring_shape.cc",
            "fork/same_file.cc",
            "fork/scheduling.cc",
            "fork/severed.cc",
            "fork/sockets.cc",
            "fork/table.cc",
            "fork/threads.cc",
            "fork/timers.cc",
            "fork/twins.cc",
            "fork/waits.cc",
            "fork/watch_numbers.cc"
          ],
          "include_dirs": ["fork/<(libc)"]
        }, "OS=='freebsd'", {
          "sources": [
            "fork/freebsd/fork.cc",
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
          "sources": ["fork/x86_64/context.S"],
          "include_dirs": ["fork/x86_64"]
        }],
        ["OS=='linux' and target_arch=='arm64'", {
          "sources": ["fork/aarch64/context.S"],
          "include_dirs": ["fork/aarch64"]
        }],
        ["OS=='freebsd'", {
          "sources": [
            "sys/capabilities_freebsd.cc",
            "sys/close_range_freebsd.cc",
            "sys/credentials_freebsd.cc",
            "sys/descriptor_list_freebsd.cc",
            "sys/loop_freebsd.cc",
            "sys/parentage_freebsd.cc",
            "sys/pidfd_freebsd.cc",
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
            "sys/capabilities_linux.cc",
            "sys/close_range_linux.cc",
            "sys/credentials_linux.cc",
            "sys/descriptor_list_linux.cc",
            "sys/loop_linux.cc",
            "sys/parentage_linux.cc",
            "sys/pidfd_linux.cc",
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
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fvisibility-inlines-hidden"],
      "ldflags": ["-Wl,-z,now", "-Wl,--exclude-libs,ALL"]
    }
  ]
}
