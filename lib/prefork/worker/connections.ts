// Connections of a master to other servers, which its workers would share.
import { native } from '../../addon/native.js';

/** The last standard stream. These may be shared. */
const STANDARD = 2;

/**
 * The peers of the event loop's connected stream sockets. Sockets of other threads, a debugger or
 * an addon are not copied.
 */
function peers(): string[] {
  const fds = native.handleDescriptors().filter((fd) => fd > STANDARD);
  return fds.map((fd) => native.peerAddress(fd)).filter((peer) => peer !== '');
}

/** Warns once, before the first fork at which there are connections. */
export class ConnectionCheck {
  #warned = false;

  /**
   * @returns whether it has warned now. The warning is emitted in a later turn of the event loop.
   */
  look(): boolean {
    if (this.#warned) return false;
    const all = [...new Set(peers())];
    if (all.length === 0) return false;
    this.#warned = true;
    const detail =
      "Workers and the master would read each other's responses there. Close them before " +
      'prefork(), or open them in onWorkerStart. Workers close idle connections of fetch(), ' +
      'http.globalAgent and https.globalAgent.';
    process.emitWarning(`prefork(): workers get copies of connections to ${all.join(', ')}`, {
      code: 'DAEMONKIT_OPEN_SOCKETS',
      detail,
    });
    return true;
  }
}
