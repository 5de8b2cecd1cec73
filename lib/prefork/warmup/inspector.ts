// Uses the inspector of this process for facts that no other public call returns. It opens no port
// and pauses nothing.
import type { Session } from 'node:inspector';

type Answer<R> = (error: Error | null, result: R) => void;

/** The used part of a response of the protocol. */
export interface Told {
  result?: { objectId?: string };
  internalProperties?: { name: string; value?: { objectId?: string } }[];
}

export class Inspector implements Disposable {
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
  }

  /** Undefined if there is no inspector: Node may be built without it, or run with --permission. */
  static open(): Inspector | undefined {
    const module = process.getBuiltinModule('node:inspector');
    if (module === undefined) return undefined;
    try {
      const session = new module.Session();
      session.connect();
      return new Inspector(session);
    } catch {
      return undefined;
    }
  }

  /**
   * Sends a request. Most responses come before the call returns; otherwise, and after a failure,
   * the result is empty.
   */
  ask(method: string, params: object = {}): Told {
    let told: Told | undefined;
    this.#post(method, params, (_, answer) => {
      told = answer;
    });
    return told ?? {};
  }

  /** For requests that complete in a later turn of the event loop. */
  async done(method: string): Promise<void> {
    await new Promise<void>((resolve) => this.#post(method, {}, () => resolve()));
  }

  #post(method: string, params: object, answer: Answer<Told | undefined>): void {
    (this.#session as { post(method: string, params: object, answer: unknown): void }).post(
      method,
      params,
      answer,
    );
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }
}
