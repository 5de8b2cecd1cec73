// daemonkit plan: the steps that start would take, and whether each is possible.
import { type PlannedStep, planDaemon } from '../daemon/plan.js';
import { type Address, expectAddress } from './listen.js';
import { type Command, EXIT, type Outcome } from './outcome.js';
import { OPTIONS, startOf } from './starting.js';

/** A step of becomeDaemon(), or a step that the command takes before it. */
type Line = Omit<PlannedStep, 'step' | 'precondition'> & {
  step: string;
  precondition: 'met' | Error;
};

function forPrograms({ precondition, ...step }: Line) {
  if (precondition === 'met') return { ...step, precondition };
  const { message, code, errno, syscall, path } = precondition as NodeJS.ErrnoException;
  return { ...step, precondition: { message, code, errno, syscall, path } };
}

function forPeople({ step, daemon7, process, description, precondition }: Line): string {
  const number = daemon7.length === 0 ? '' : ` (daemon(7) ${daemon7.join(', ')})`;
  const obstacle =
    precondition === 'met' ? '' : `\n${' '.repeat(6)}NOT MET: ${precondition.message}`;
  return `${process.padEnd(12)} ${step.padEnd(16)} ${description}${number}${obstacle}`;
}

/** A socket that the command binds before these steps. */
function listening(address: Address): Line {
  const description = `listen on ${address.text}`;
  const step = { step: 'listen', daemon7: [], process: 'launcher', description } as const;
  try {
    expectAddress(address);
    return { ...step, precondition: 'met' };
  } catch (error) {
    return { ...step, precondition: error as Error };
  }
}

async function run(args: readonly string[]): Promise<Outcome> {
  const { options, addresses } = startOf(args);
  const steps = [...addresses.map(listening), ...planDaemon(options)];
  const met = steps.every(({ precondition }) => precondition === 'met');
  return {
    exitCode: met ? EXIT.done : EXIT.failed,
    text: steps.map(forPeople).join('\n'),
    answer: true,
    data: { steps: steps.map(forPrograms) },
  };
}

export const plan: Command = { options: OPTIONS, run };
