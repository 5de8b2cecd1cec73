// Limits the number of children. Requests without a place wait in order.

export class Places {
  readonly #most: number;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Calls back when a place is free, at once or later.
   *
   * @returns a function that returns the place, or cancels the request.
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

  /** In a forked process: all places and requests belong to the parent. */
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
