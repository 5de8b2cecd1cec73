// Finds objects that were made before daemonkit was loaded. Only the debugger's protocol lists
// them, which costs a garbage collection. So it is used only if there is a sign of such objects.
import { Session } from 'node:inspector';

interface Answer {
  result?: { objectId?: string };
  objects?: { objectId?: string };
}

/** Sends one request. A session to its own thread answers before post() returns. */
function ask(session: Session, method: string, params: object): Answer {
  let answer: Answer = {};
  session.post(method, params, (error, result) => {
    if (error) throw error;
    answer = (result ?? {}) as Answer;
  });
  return answer;
}

/** Calls `into` with the objects that the debugger holds. */
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
 * The live objects with this prototype; none where the debugger's protocol is not available
 * (--permission in Node 24 and later, a frozen globalThis).
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
        // Prototypes of derived classes inherit from it as well.
        found = Array.from(array as T[]).filter((object) => !Object.hasOwn(object, 'constructor'));
      });
    } finally {
      session.disconnect();
    }
  } catch {
    // Then no object is known.
  }
  return found;
}
