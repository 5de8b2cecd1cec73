// Objects that were there before daemonkit was loaded. Nothing lists them but the debugger's
// protocol, which costs a collection of garbage: asked only where something says that there are some.
import { Session } from 'node:inspector';

interface Answer {
  result?: { objectId?: string };
  objects?: { objectId?: string };
}

/** Asks one thing; a session with its own thread answers before post() returns. */
function ask(session: Session, method: string, params: object): Answer {
  let answer: Answer = {};
  session.post(method, params, (error, result) => {
    if (error) throw error;
    answer = (result ?? {}) as Answer;
  });
  return answer;
}

/** Has a function of ours called with `this` as the objects that the debugger holds. */
function take(session: Session, objectId: string | undefined, into: (found: object[]) => void) {
  const key = Symbol.for(`daemonkit.early.${process.pid}`);
  Object.defineProperty(globalThis, key, { value: into, configurable: true });
  try {
    const functionDeclaration = `function () { globalThis[Symbol.for('${key.description}')](this); }`;
    ask(session, 'Runtime.callFunctionOn', { objectId, functionDeclaration });
  } finally {
    Reflect.deleteProperty(globalThis, key);
  }
}

/** The prototype's objectId: evaluate() sees globals only. */
function idOf(session: Session, prototype: object): string | undefined {
  const key = Symbol.for(`daemonkit.early.${process.pid}`);
  Object.defineProperty(globalThis, key, { value: prototype, configurable: true });
  try {
    const expression = `globalThis[Symbol.for('${key.description}')]`;
    return ask(session, 'Runtime.evaluate', { expression }).result?.objectId;
  } finally {
    Reflect.deleteProperty(globalThis, key);
  }
}

/**
 * The live objects with this prototype; none where the debugger's protocol is not to be had
 * (--permission of Node 24 and later, a globalThis that is frozen).
 */
export function instancesOf<T extends object>(prototype: T): T[] {
  let found: T[] = [];
  try {
    const session = new Session();
    session.connect();
    try {
      const prototypeObjectId = idOf(session, prototype);
      const { objects } = ask(session, 'Runtime.queryObjects', { prototypeObjectId });
      take(session, objects?.objectId, (array) => {
        // Those of derived classes inherit from it as well.
        found = Array.from(array as T[]).filter((object) => !Object.hasOwn(object, 'constructor'));
      });
    } finally {
      session.disconnect();
    }
  } catch {
    // Nothing is known then, as before.
  }
  return found;
}
