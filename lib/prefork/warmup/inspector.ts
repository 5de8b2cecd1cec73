// The inspector from within, for what no other public call of Node's tells. It opens no port and halts nothing.
import type { Session } from 'node:inspector';

type Answer<R> = (error: Error | null, result: R) => void;

/** The part of an answer of the protocol's that is asked for. */
export interface Told {
  result?: { objectId?: string };
  internalProperties?: { name: string; value?: { objectId?: string } }[];
}

export class Inspector implements Disposable {
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
  }

  /** Undefined where there is none: Node may be built without, or run with --permission. */
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

  /** Most of the protocol answers before the call returns; empty if it does not, or has failed. */
  ask(method: string, params: object = {}): Told {
    let told: Told | undefined;
    this.#post(method, params, (_, answer) => {
      told = answer;
    });
    return told ?? {};
  }

  /** For what is done in a later turn of the event loop. */
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
