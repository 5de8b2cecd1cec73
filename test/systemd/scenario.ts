import type { Unit } from './unit.js';

/** What is done with a unit, and must be seen of it. */
export interface Scenario {
  unit: Unit;
  /** In a line. */
  about: string;
  /** The first version of systemd that knows what the unit says. */
  since?: number;
  /** A text is printed after the unit's line. */
  play(unit: Unit): Promise<unknown>;
}
