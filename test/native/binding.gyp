{
  "targets": [
    {
      "target_name": "test_faults",
      "sources": ["faults.cc", "objects.cc", "more_objects.cc", "refuse.cc", "escape.cc", "atfork.cc"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17"]
    },
    {
      "target_name": "test_load",
      "sources": ["load.cc", "waits.cc", "wire.cc"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17"]
    },
    {
      "target_name": "test_threads",
      "sources": ["threads.cc", "calls.cc"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17"]
    },
    {
      "target_name": "silent_fs",
      "type": "executable",
      "sources": ["silent_fs.cc"],
      "cflags": ["-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17"]
    },
    {
      "target_name": "test_talker",
      "sources": ["talker.cc", "addresses.cc"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17"]
    }
  ]
}
