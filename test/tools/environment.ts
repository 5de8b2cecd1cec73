// The environment of the programs that tests start.

/** The runner's own would have them report to it; the rest is what a test's own shell may have set. */
const LEFT_OUT = ['NODE_TEST_CONTEXT', 'NODE_CHANNEL_FD', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS'];

/**
 * Our environment without variables that change Node's behaviour; certificates would be read on a
 * separate thread.
 */
export function cleanEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of LEFT_OUT) delete env[name];
  return { ...env, ...extra };
}
