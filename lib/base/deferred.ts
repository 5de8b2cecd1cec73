// A promise with its resolve functions: Promise.withResolvers(), which Node 20 lacks.

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

export function deferred<T>(): Deferred<T> {
  let [resolve, reject]: [Deferred<T>['resolve'], Deferred<T>['reject']] = [() => {}, () => {}];
  const promise = new Promise<T>((settle, fail) => {
    [resolve, reject] = [settle, fail];
  });
  return { promise, resolve, reject };
}

/** Rejects it if there is an error. */
export function settle(promise: Deferred<void>, error: Error | undefined): void {
  if (error === undefined) promise.resolve();
  else promise.reject(error);
}
