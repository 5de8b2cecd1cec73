// What the servers of a worker have to do.

/** One server's, at this moment. */
export interface Load {
  connections: number;
  /** Requests that are not answered to the end. */
  underWay: number;
}

/** Counts for all servers of a process. Without a worker nobody looks at it. */
export class Tally {
  /** Until now, of all servers. */
  requests = 0;
  readonly #servers: (() => Load)[] = [];
  readonly #changed: (requests: number) => void;

  /** @param changed - called at each request and connection: to be cheap. */
  constructor(changed: (requests: number) => void = () => {}) {
    this.#changed = changed;
  }

  /** One server more, which is asked when somebody wants to know. */
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
