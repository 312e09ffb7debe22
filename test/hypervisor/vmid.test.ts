import { describe, expect, it } from 'vitest';
import { Vcpu } from '../../src/hypervisor/vcpu.ts';
import type { VmidScheme } from '../../src/hypervisor/vmid.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { COUNT, CTL } from '../../src/machine/registers.ts';
import { platforms } from '../../src/platforms/index.ts';
import { endOf, GUEST_VA, type GuestRoom, runGuests, withGuests } from '../support/hypervisor.ts';
import { wordAt } from '../support/tagged.ts';

interface Trace {
  /** VMIDs in the order of the entries into guests. */
  readonly vmids: number[];
  readonly rollovers: number[];
  /** By VM: number and generation afterwards. */
  readonly contexts: number[];
  readonly broadcasts: number;
}

/** One CPU runs a vCPU of each VM of a list; each must find its own memory. */
function trace(
  platform: string,
  scheme: VmidScheme,
  { turns, numbers, vmids }: { turns: readonly number[]; numbers: readonly number[]; vmids: number },
): Trace {
  const seen: number[] = [];
  const rollovers: number[] = [];
  const program = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
    for (const turn of turns) {
      yield* new Vcpu(host, layout.vms[turn], 0).runOn(cpu, function* () {
        seen.push(cpu.hw.ctl[CTL.VMID]);
        expect(yield* cpu.load(GUEST_VA)).toBe(turn + 1);
      });
    }
  };
  const { result, machine, layout } = runGuests({
    platform: platforms[platform],
    programs: [program],
    vms: numbers.length,
    numbers,
    policy: { scheme, vmids, rolledOver: (times) => rollovers.push(times) },
  });
  expect(endOf(result)).toBe('clean');
  const contexts = layout.vms.map(({ contextPa }) => wordAt(machine, contextPa));
  return {
    vmids: seen,
    rollovers,
    contexts,
    broadcasts: machine.state.cpus[0].counters[COUNT.broadcastsIssued],
  };
}

describe('the bitmap', () => {
  it('leaves numbers of this generation alone', () => {
    const { vmids, rollovers, broadcasts } = trace('neoverse', 'bitmap', {
      turns: [0, 1, 0, 1],
      numbers: [2, 3],
      vmids: 3,
    });
    expect([vmids, rollovers, broadcasts]).toEqual([[2, 3, 2, 3], [], 0]);
  });

  // By hand: VM 2 has none, and there is none: a new generation, in which VM 2 gets 1. VM 1 comes with 2, which is
  // free in it; VM 0 with 1, which is not, and there is none: the next one.
  it('gives a VM its old number if that can be had, and a free one otherwise', () => {
    const { vmids, rollovers, contexts, broadcasts } = trace('neoverse', 'bitmap', {
      turns: [2, 1, 0],
      numbers: [1, 2, 0],
      vmids: 2,
    });
    expect(vmids).toEqual([1, 2, 1]);
    expect(rollovers).toEqual([1, 2]);
    expect(contexts).toEqual([0x301, 0x202, 0x201]);
    expect(broadcasts).toBe(2);
  });
});

describe('the counter', () => {
  // By hand: VM 2 has none and all are given away: generation 2, number 1; then 2 for VM 0; VM 1: generation 3, 1.
  it('hands numbers out in order, and begins anew', () => {
    const { vmids, rollovers, contexts } = trace('neoverse', 'counter', {
      turns: [2, 0, 2, 1],
      numbers: [1, 2, 0],
      vmids: 2,
    });
    expect(vmids).toEqual([1, 2, 1, 1]);
    expect(rollovers).toEqual([1, 2]);
    expect(contexts).toEqual([0x202, 0x301, 0x201]);
  });
});

describe.each(withGuests)('on $name', ({ name }) => {
  it.each(['bitmap', 'counter'] as const)('guests stay apart when VMIDs run out: %s', (scheme) => {
    const turns = Array.from({ length: 15 }, (_, turn) => turn % 5);
    const { vmids, rollovers } = trace(name, scheme, { turns, numbers: [1, 2, 3, 0, 0], vmids: 3 });
    expect(Math.max(...vmids)).toBeLessThanOrEqual(3);
    expect(Math.min(...vmids)).toBeGreaterThanOrEqual(1);
    expect(rollovers.length).toBeGreaterThan(2);
  });
});

it('a number is not given to another VM while a vCPU runs with it', () => {
  const seen: number[] = [];
  const stays = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
    yield* new Vcpu(host, layout.vms[0], 0).runOn(cpu, function* () {
      for (let i = 0; i < 300; i++) expect(yield* cpu.load(GUEST_VA)).toBe(1);
    });
  };
  const changes = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
    yield* cpu.waitUntil(layout.vms[0].vcpus[0].pa + 16, (mode) => mode === 1, { why: 'the other guest' });
    for (const turn of [2, 1, 2, 1]) {
      yield* new Vcpu(host, layout.vms[turn], 0).runOn(cpu, function* () {
        seen.push(cpu.hw.ctl[CTL.VMID]);
        expect(yield* cpu.load(GUEST_VA)).toBe(turn + 1);
      });
    }
  };
  const { result } = runGuests({
    platform: platforms.neoverse,
    programs: [stays, changes],
    vms: 3,
    numbers: [2, 1, 0],
    policy: { scheme: 'bitmap', vmids: 2 },
  });
  // One number is left for two VMs: a rollover each time, and never the other's.
  expect([endOf(result), seen]).toEqual(['clean', [1, 1, 1, 1]]);
});
