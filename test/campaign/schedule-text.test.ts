import fc from 'fast-check';
import { expect, it } from 'vitest';
import { scheduleOf, scheduleText } from '../../src/campaign/schedule-text.ts';

it('writes schedules that can be read again, in letters and digits', () => {
  const choice = fc.oneof(fc.nat(3), fc.nat(2 ** 40));
  fc.assert(
    fc.property(fc.array(choice), (choices) => {
      const text = scheduleText(choices);
      expect(text).toMatch(/^[0-9a-zX.]*$/);
      expect(scheduleOf(text)).toEqual(choices);
    }),
  );
});

it('counts what is repeated', () => {
  expect(scheduleText([0, 0, 0, 35, 1, 1])).toBe('0X3.z.1X2');
  expect(() => scheduleOf('0X3,1')).toThrow(/no part of a schedule/);
});
