// The load of a worker's servers.

/** The present load of one server. */
export interface Load {
  connections: number;
  /** Requests whose response is not complete. */
  underWay: number;
}

/** Counts for all servers of a process. It is read only in a worker. */
export class Tally {
  /** All requests of all servers so far. */
  requests = 0;
  readonly #servers: (() => Load)[] = [];
  readonly #changed: (requests: number) => void;

  /** @param changed - called at each request and connection, so it must be cheap. */
  constructor(changed: (requests: number) => void = () => {}) {
    this.#changed = changed;
  }

  /** Adds a server, whose load is queried when needed. */
  add(load: () => Load): void {
    this.#servers.push(load);
  }

  request(): void {
    this.requests++;
    this.#changed(this.requests);
  }

  connection(): void {
    this.#changed(this.requests);
  }

  load(): Load {
    const loads = this.#servers.map((load) => load());
    const sum = (of: (load: Load) => number) => loads.reduce((total, one) => total + of(one), 0);
    return { connections: sum((one) => one.connections), underWay: sum((one) => one.underWay) };
  }
}
