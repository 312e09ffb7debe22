import { afterEach, expect, it, vi } from 'vitest';
import { Interrupt } from '../../src/cli/interrupt.ts';

afterEach(() => vi.restoreAllMocks());

it('Ctrl-C asks for the end, the second one is the end, and afterwards it is left to the system', () => {
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never);
  const before = process.listeners('SIGINT');
  const stop = vi.fn(async () => {});
  const interrupt = new Interrupt(stop);
  // As if by the system, without those who listen in the process of the tests.
  const ctrlC = process.listeners('SIGINT').find((listener) => !before.includes(listener));
  ctrlC?.('SIGINT');
  expect(interrupt.interrupted).toBe(true);
  expect(stop).toHaveBeenCalledTimes(1);
  expect(exit).not.toHaveBeenCalled();
  ctrlC?.('SIGINT');
  expect(exit).toHaveBeenCalledWith(130);
  interrupt.dispose();
  expect(process.listeners('SIGINT')).toEqual(before);
});

it('what batch systems run hears of SIGTERM as well, and tells by a signal', () => {
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never);
  const names = ['SIGINT', 'SIGTERM'] as const;
  const before = names.map((name) => process.listeners(name));
  const interrupt = Interrupt.ofJob();
  const [ctrlC, end] = names.map((name, i) =>
    process.listeners(name).find((listener) => !before[i].includes(listener)),
  );
  expect(interrupt.signal.aborted).toBe(false);
  end?.('SIGTERM');
  expect(interrupt.signal.aborted).toBe(true);
  expect(exit).not.toHaveBeenCalled();
  ctrlC?.('SIGINT');
  expect(exit).toHaveBeenCalledWith(130);
  interrupt.dispose();
  expect(names.map((name) => process.listeners(name))).toEqual(before);
});
