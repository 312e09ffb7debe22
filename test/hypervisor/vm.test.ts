import { describe, expect, it } from 'vitest';
import type { HypervisorPolicy } from '../../src/hypervisor/hypervisor.ts';
import { Vcpu } from '../../src/hypervisor/vcpu.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { SegmentationFault } from '../../src/machine/cpu.ts';
import { TLBI_GUESTS, TLBI_IPA, TLBI_VMID, TLBI_VMID_STAGE1 } from '../../src/machine/tlb.ts';
import { platforms } from '../../src/platforms/index.ts';
import { endOf, GUEST_VA, type GuestRoom, runGuests, withGuests } from '../support/hypervisor.ts';

/** What a CPU does that an invalidate is made of, in the order in which it does it. */
function* noted(cpu: Cpu, log: string[], program: Steps): Steps {
  const names = new Map([
    [TLBI_IPA, 'ipa'],
    [TLBI_VMID_STAGE1, 'stage-1'],
    [TLBI_VMID, 'vmid'],
    [TLBI_GUESTS, 'guests'],
  ]);
  const { tlbiBroadcast, tlbiLocal, dsb, isb } = cpu;
  cpu.tlbiBroadcast = (kind, ...rest) => {
    log.push(`${names.get(kind)} broadcast`);
    return tlbiBroadcast.call(cpu, kind, ...rest);
  };
  cpu.tlbiLocal = (kind, ...rest) => {
    log.push(`${names.get(kind)} local`);
    return tlbiLocal.call(cpu, kind, ...rest);
  };
  cpu.dsb = () => {
    log.push('dsb');
    return dsb.call(cpu);
  };
  cpu.isb = () => {
    log.push('isb');
    return isb.call(cpu);
  };
  yield* program;
  Object.assign(cpu, { tlbiBroadcast, tlbiLocal, dsb, isb });
}

/** The order of an unmap of one page, by policy. */
function orderOf(platform: string, policy: Partial<HypervisorPolicy> = {}): string[] {
  const log: string[] = [];
  const program = function* (cpu: Cpu, { host, dataIpa }: GuestRoom): Steps {
    const unmap = function* (): Steps {
      yield* host.vms[0].unmapIpa(cpu, dataIpa[0]);
    };
    yield* noted(cpu, log, unmap());
  };
  const { result } = runGuests({ platform: platforms[platform], programs: [program], numbers: [1], policy });
  expect(endOf(result)).toBe('clean');
  return log;
}

describe('an unmap', () => {
  it('is the sequence of KVM/arm64 where fences are broadcast', () => {
    const sequence = ['dsb', 'ipa broadcast', 'dsb', 'stage-1 broadcast', 'dsb', 'isb'];
    expect(orderOf('neoverse')).toEqual(sequence);
    expect(orderOf('cortex-a15')).toEqual(sequence);
  });

  it.each([
    ['no-barrier-before', ['ipa broadcast', 'dsb', 'stage-1 broadcast', 'dsb', 'isb']],
    ['no-ipa', ['dsb', 'stage-1 broadcast', 'dsb', 'isb']],
    ['no-barrier-between', ['dsb', 'ipa broadcast', 'stage-1 broadcast', 'dsb', 'isb']],
    ['no-stage1', ['dsb', 'ipa broadcast', 'dsb', 'dsb', 'isb']],
    ['stage1-first', ['dsb', 'stage-1 broadcast', 'ipa broadcast', 'dsb', 'dsb', 'isb']],
    ['no-barrier-after', ['dsb', 'ipa broadcast', 'dsb', 'stage-1 broadcast', 'isb']],
    ['local-only', ['dsb', 'ipa local', 'dsb', 'stage-1 local', 'dsb', 'isb']],
  ] as const)('%s leaves out what it says', (flaw, sequence) => {
    expect(orderOf('neoverse', { fenceFlaws: [flaw] })).toEqual(sequence);
  });

  it('asks vCPUs where a fence is for one CPU, or every CPU', () => {
    expect(orderOf('riscv-h')).toEqual(['dsb']);
    expect(orderOf('riscv-h', { fencesEverywhere: true })).toEqual(['dsb', 'vmid local', 'isb']);
  });
});

describe.each(withGuests)('on $name', (platform) => {
  it('a guest loses a page that is taken away while it runs, and no other', () => {
    const seen: string[] = [];
    const host = function* (cpu: Cpu, { host, dataIpa }: GuestRoom): Steps {
      yield* cpu.compute(200);
      yield* host.vms[0].releaseIpa(cpu, dataIpa[0]);
    };
    const guest = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
      const vcpu = new Vcpu(host, layout.vms[0], 0);
      yield* vcpu.runOn(cpu, function* () {
        for (;;) {
          try {
            expect(yield* cpu.load(GUEST_VA)).toBe(1);
          } catch (error) {
            if (!(error instanceof SegmentationFault)) throw error;
            seen.push(error.fault.kind);
            break;
          }
        }
        expect(yield* cpu.load(GUEST_VA + 0x1000)).toBe(1);
      });
    };
    const { result } = runGuests({ platform, programs: [host, guest], pages: 2, numbers: [1] });
    expect([endOf(result), seen]).toEqual(['clean', ['translation']]);
  });

  it('its host repairs a fault of stage 2, and the guest goes on', () => {
    const faults: number[] = [];
    const guest = function* (cpu: Cpu, { host, layout, dataIpa }: GuestRoom): Steps {
      yield* host.vms[0].hideIpa(cpu, dataIpa[0], 1);
      const vcpu = new Vcpu(host, layout.vms[0], 0);
      rooms.push({ host, ipa: dataIpa[0] });
      yield* vcpu.runOn(cpu, function* () {
        expect(yield* cpu.load(GUEST_VA)).toBe(1);
      });
    };
    const rooms: { host: GuestRoom['host']; ipa: number }[] = [];
    const { result } = runGuests({
      platform,
      programs: [guest],
      numbers: [1],
      vectors: {
        *stage2Fault(cpu, { ipa }) {
          faults.push(ipa - rooms[0].ipa);
          return yield* rooms[0].host.vms[0].revealIpa(cpu, rooms[0].ipa);
        },
      },
    });
    expect([endOf(result), faults]).toEqual(['clean', [0]]);
  });
});
