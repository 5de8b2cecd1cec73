// daemonkit plan: the steps that start would take, and whether each can be taken.
import { becomeDaemon, type PlannedStep } from '../daemon.js';
import { type Command, EXIT, type Outcome } from './outcome.js';
import { OPTIONS, startOf } from './starting.js';

function forPrograms({ precondition, ...step }: PlannedStep) {
  if (precondition === 'met') return { ...step, precondition };
  const { message, code, errno, syscall, path } = precondition as NodeJS.ErrnoException;
  return { ...step, precondition: { message, code, errno, syscall, path } };
}

function forPeople({ step, daemon7, process, description, precondition }: PlannedStep): string {
  const number = daemon7.length === 0 ? '' : ` (daemon(7) ${daemon7.join(', ')})`;
  const obstacle =
    precondition === 'met' ? '' : `\n${' '.repeat(6)}NOT MET: ${precondition.message}`;
  return `${process.padEnd(12)} ${step.padEnd(16)} ${description}${number}${obstacle}`;
}

async function run(args: readonly string[]): Promise<Outcome> {
  const { options } = startOf(args);
  const steps = becomeDaemon({ ...options, dryRun: true });
  const met = steps.every(({ precondition }) => precondition === 'met');
  return {
    exitCode: met ? EXIT.done : EXIT.failed,
    text: steps.map(forPeople).join('\n'),
    answer: true,
    data: { steps: steps.map(forPrograms) },
  };
}

export const plan: Command = { options: OPTIONS, run };
