// How many children there may be at a time; who finds no place waits in the order of coming.

export class Places {
  readonly #most: number;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Calls back when there is a place, at once or later.
   *
   * @returns what gives the place back, or ceases to wait for it.
   */
  take(begin: () => void): () => void {
    let here = true;
    const enter = () => {
      this.#taken++;
      begin();
    };
    const leave = () => {
      if (!here) return;
      here = false;
      if (this.#waiting.delete(enter)) return;
      this.#taken--;
      this.#next();
    };
    if (this.#taken < this.#most) enter();
    else this.#waiting.add(enter);
    return leave;
  }

  /** In a copy of the process: all are the parent's. */
  forget(): void {
    this.#taken = 0;
    this.#waiting.clear();
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#taken >= this.#most) return;
    this.#waiting.delete(first);
    first();
  }
}
