import { afterEach, expect, it, vi } from 'vitest';
import { Interrupt } from '../../src/cli/terminal.ts';

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
