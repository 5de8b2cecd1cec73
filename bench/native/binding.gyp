{
  "targets": [
    {
      "target_name": "bench_clone",
      "sources": ["clone.cc", "../../cpp/fork/freeze/mappings.cc", "../../cpp/fork/base/procfs.cc"],
      "include_dirs": ["../../cpp", "../../cpp/fork/x86_64"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17"]
    },
    {
      "target_name": "bench_sleepers",
      "sources": ["sleepers.cc"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-Wall", "-Wextra", "-Werror"]
    }
  ]
}
