{
  "targets": [
    {
      "target_name": "daemonkit",
      "type": "loadable_module",
      "sources": [
        "cpp/addon.cc",
        "cpp/marshal_loop.cc",
        "cpp/marshal_process.cc",
        "cpp/sys/chroot.cc",
        "cpp/sys/credentials.cc",
        "cpp/sys/dispositions.cc",
        "cpp/sys/fd.cc",
        "cpp/sys/flock.cc",
        "cpp/sys/launcher.cc",
        "cpp/sys/loop.cc",
        "cpp/sys/listen.cc",
        "cpp/sys/notify.cc",
        "cpp/sys/process.cc",
        "cpp/sys/reexec.cc",
        "cpp/sys/rlimit.cc",
        "cpp/sys/session.cc",
        "cpp/sys/signal_action.cc",
        "cpp/sys/signal_flag.cc",
        "cpp/sys/socketpair.cc",
        "cpp/sys/stdio.cc",
        "cpp/watch.cc"
      ],
      "conditions": [
        ["OS=='linux' and target_arch=='x64'", {
          "sources": [
            "cpp/fork/descriptors.cc",
            "cpp/fork/fork.cc",
            "cpp/fork/inotify.cc",
            "cpp/fork/mappings.cc",
            "cpp/fork/park.cc",
            "cpp/fork/procfs.cc",
            "cpp/fork/rendezvous.cc",
            "cpp/fork/ring.cc",
            "cpp/fork/scheduling.cc",
            "cpp/fork/threads.cc",
            "cpp/fork/twins.cc",
            "cpp/fork/x86_64/context.S"
          ],
          "include_dirs": ["cpp/fork/x86_64"]
        }, {
          "sources": ["cpp/fork/unsupported.cc"]
        }],
        ["OS=='freebsd'", {
          "sources": [
            "cpp/sys/capabilities_freebsd.cc",
            "cpp/sys/close_range_freebsd.cc",
            "cpp/sys/descriptor_list_freebsd.cc",
            "cpp/sys/loop_freebsd.cc",
            "cpp/sys/parentage_freebsd.cc",
            "cpp/sys/pidfd_freebsd.cc",
            "cpp/sys/rlimit_freebsd.cc",
            "cpp/sys/sender_freebsd.cc",
            "cpp/sys/signal_sender_freebsd.cc",
            "cpp/sys/stdio_freebsd.cc"
          ]
        }],
        ["OS=='linux'", {
          "sources": [
            "cpp/sys/capabilities_linux.cc",
            "cpp/sys/close_range_linux.cc",
            "cpp/sys/descriptor_list_linux.cc",
            "cpp/sys/loop_linux.cc",
            "cpp/sys/parentage_linux.cc",
            "cpp/sys/pidfd_linux.cc",
            "cpp/sys/rlimit_linux.cc",
            "cpp/sys/sender_linux.cc",
            "cpp/sys/signal_sender_linux.cc",
            "cpp/sys/stdio_linux.cc"
          ]
        }]
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "cpp"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags": ["-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20", "-fexceptions"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fvisibility-inlines-hidden"],
      "ldflags": ["-Wl,-z,now", "-Wl,--exclude-libs,ALL"]
    }
  ]
}
