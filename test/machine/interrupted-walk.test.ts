/** An interrupt that comes into a table walk, and a handler that walks itself. */
import { describe, expect, it } from 'vitest';
import { PTE } from '../../src/machine/attributes.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { COUNT } from '../../src/machine/registers.ts';
import { TLBI_VA, TLBI_VMID } from '../../src/machine/tlb.ts';
import { entryOf, guestOn, STAGE2_RIGHTS, tinyGuests } from '../support/guests.ts';
import { broadcasting, complete, cpusOf, Mapper, machineOf, tiny, vectorsWith } from '../support/machine.ts';

const VA = 0x0040_0000;
const HANDLERS = 0x0080_0000;
const [OLD, NEW] = [0x9000, 0xa000];

interface Lab {
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly other: Cpu;
  readonly host: Mapper;
}

/** The host has a page for its handlers, and one at VA. */
function labOf(platform: Platform): Lab {
  const machine = machineOf(platform, 2);
  const host = new Mapper(machine, 0x20000);
  host.map(HANDLERS, 0x7000);
  host.map(VA, OLD);
  machine.poke(OLD, 1);
  machine.poke(NEW, 2);
  const [cpu, other] = cpusOf(machine);
  for (const each of [cpu, other]) complete(each.setContext(host.root, 1));
  return { machine, cpu, other, host };
}

/** A load of VA whose walk has read so many entries and filled nothing yet. */
function begun({ cpu }: Lab, reads: number): Steps<number> {
  const steps = cpu.load(VA);
  const before = cpu.hw.counters[COUNT.walkReads];
  for (let n = 0; cpu.hw.counters[COUNT.walkReads] < before + reads; n++) {
    if (n > 40) throw new Error('the walk does not come so far');
    steps.next();
  }
  return steps;
}

/** The interrupt comes; while it is handled the other CPU does something, before the handler's load. */
function interrupted({ cpu }: Lab, meanwhile: () => void, walks: boolean): void {
  const vectors = vectorsWith(function* (on: Cpu) {
    meanwhile();
    if (walks) yield* on.load(HANDLERS);
  });
  complete(cpu.interruptHandler(vectors, 1));
}

describe('a walk that an interrupt has come into', () => {
  for (const walks of [false, true]) {
    const handler = walks ? 'a handler that walks' : 'a handler that does not';

    it(`fills nothing that was invalidated meanwhile, with ${handler}`, () => {
      const lab = labOf(tiny(broadcasting(false)));
      const steps = begun(lab, 2);
      const { other, host } = lab;
      const moveAndInvalidate = () => {
        complete(other.storePhysical(host.entryAt(VA), NEW | PTE.VALID));
        complete(other.tlbiBroadcast(TLBI_VA, VA, 1, 1));
      };
      interrupted(lab, moveAndInvalidate, walks);
      expect(complete(steps)).toBe(2);
      expect(complete(lab.cpu.load(VA))).toBe(2);
    });

    it(`of a guest does not either, with ${handler} and a speculative walk after it`, () => {
      const platform = tinyGuests((p) => {
        broadcasting(false)(p);
        p.virtualization = { ...p.virtualization!, stage2Fences: 'broadcast' };
        p.agents = ['walk'];
      });
      const lab = labOf(platform);
      const { machine, cpu, other } = lab;
      const stage2 = new Mapper(machine, 0x30000);
      // The guest's own stage is off.
      const leaf = stage2.map(VA, OLD, STAGE2_RIGHTS);
      const page = 0x00c0_0000;
      stage2.map(page, 0x8000, STAGE2_RIGHTS);
      machine.agents.speculation = [page];
      complete(cpu.enterGuest(entryOf(stage2.root, { registers: { ...guestOn, mmuOn: false } })));
      const steps = begun(lab, 2);
      const moveAndInvalidate = () => {
        complete(other.storePhysical(leaf, NEW | STAGE2_RIGHTS | PTE.VALID));
        complete(other.tlbiBroadcast(TLBI_VMID, 0, 1, 1));
      };
      interrupted(lab, moveAndInvalidate, walks);
      const walk = machine.agents.enabledFrom('walk', cpu.hw, 1, 1);
      expect(walk).toBeGreaterThan(0);
      machine.agents.perform(walk);
      expect(complete(steps)).toBe(2);
      expect(complete(cpu.load(VA))).toBe(2);
    });
  }

  it('goes on where it was if nobody has invalidated or walked', () => {
    const lab = labOf(tiny(broadcasting(false)));
    const steps = begun(lab, 2);
    const { counters } = lab.cpu.hw;
    const [walks, reads] = [counters[COUNT.walks], counters[COUNT.walkReads]];
    interrupted(lab, () => {}, false);
    expect(complete(steps)).toBe(1);
    expect([counters[COUNT.walks], counters[COUNT.walkReads]]).toEqual([walks, reads]);
  });
});
