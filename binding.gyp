{
  # For node-gyp in the repository; the target is in cpp/. This file is not in the package: npm runs
  # node-gyp for what comes from a lockfile and has a binding.gyp in its root, binary or not.
  "targets": [
    {
      "target_name": "addon",
      "type": "none",
      "dependencies": ["cpp/binding.gyp:daemonkit"]
    }
  ]
}
