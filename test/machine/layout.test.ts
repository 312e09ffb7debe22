import { describe, expect, it } from 'vitest';
import { Machine, type MachineOptions } from '../../src/machine/machine.ts';
import { platforms } from '../../src/platforms/index.ts';
import { complete, cpusOf, machineOf, tiny } from '../support/machine.ts';

const all = Object.values(platforms);

/** Views of a machine by path, to compare two of them. */
function views(value: unknown, path: string, into: Map<string, [number, number]>, seen: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof SharedArrayBuffer) into.set(path, [value.byteOffset, value.byteLength]);
    return;
  }
  for (const [key, inner] of Object.entries(value)) views(inner, `${path}.${key}`, into, seen);
}

function viewsOf(machine: Machine): Map<string, [number, number]> {
  const into = new Map<string, [number, number]>();
  views(machine.state, 'state', into, new Set());
  return into;
}

describe('layout', () => {
  it.each(all)('of $name: regions lie one after the other, named once, for 1 and for 64 CPUs', (platform) => {
    for (const cpus of [1, 64]) {
      const regions = Machine.layout(platform, { cpus, checked: true, threaded: true });
      let end = 0;
      for (const { offsetBytes, sizeBytes } of regions) {
        expect(offsetBytes).toBeGreaterThanOrEqual(end);
        end = offsetBytes + sizeBytes;
      }
      expect(new Set(regions.map(({ name }) => name)).size).toBe(regions.length);
    }
  });

  it('puts words that different CPUs write on different lines of the host', () => {
    const regions = Machine.layout(platforms.neoverse, { cpus: 2, checked: true, threaded: true });
    for (const { offsetBytes } of regions) expect(offsetBytes % 64).toBe(0);
  });

  it.each(all)('of $name: whoever attaches gets the same views', (platform) => {
    const options: MachineOptions = {
      cpus: Math.min(3, platform.maxCpus),
      checked: true,
      threaded: true,
    };
    const machine = Machine.create(platform, options, 1);
    const attached = Machine.attach(machine.buffer, platform, options);
    const mine = viewsOf(machine);
    expect(mine.size).toBeGreaterThan(50);
    expect(viewsOf(attached)).toEqual(mine);
  });

  it('lets no region reach past the end of the buffer', () => {
    const options = { cpus: 2, checked: false, threaded: false };
    const short = new SharedArrayBuffer(Machine.create(tiny(), options, 1).buffer.byteLength - 128);
    expect(() => Machine.attach(short, tiny(), options)).toThrow(/layout: region .* ends at/);
  });

  it.each([0, -1, 1.5, 65])('rejects %d CPUs, and says how many there may be', (cpus) => {
    expect(() => machineOf(tiny(), cpus)).toThrow(/tiny: .* CPUs asked for, the platform has 1 to 64/);
  });
});

describe('reset', () => {
  it('takes a used machine back to what a new one is', () => {
    const used = machineOf(platforms.neoverse, 2, { checked: true });
    const [cpu] = cpusOf(used);
    for (let i = 0; i < 64; i++) complete(cpu.storePhysical(0x1000 + i * 64, i + 1));
    complete(cpu.drainAll());
    used.reset(1);
    const fresh = Machine.create(platforms.neoverse, used.options, 1);
    expect(Buffer.from(used.buffer).equals(Buffer.from(fresh.buffer))).toBe(true);
  });

  it('starts random replacement from the seed', () => {
    const platform = tiny((p) => {
      p.l1d.replacement = 'random';
    });
    const meta = (seed: number) =>
      Machine.create(platform, machineOf(platform).options, seed).state.cpus[0].l1d.meta[1];
    expect(meta(1)).toBe(meta(1));
    expect(meta(1)).not.toBe(meta(100));
  });
});
