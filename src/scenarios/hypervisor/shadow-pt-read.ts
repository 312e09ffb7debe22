/**
 * A hypervisor without hardware support reads its guest's page tables to build shadow entries from them. The guest
 * has stored an entry through an address of its own; the host loads it through the emulator process, or through its
 * kernel's linear mapping. What must happen to the cache in between?
 *
 * The subject of "Cache clean of page table entries", linux-arm-kernel, November 2010 (C. Dall, C. Marinas, R. King).
 * The thread itself could not be read for this; what it is about was taken from the code in question, arch/arm/kvm/
 * arm_mmu.c and arm_emulate.c of KVM for ARMv6, and from a summary of it: invalidate before the read, clean and
 * invalidate, no maintenance, a guest with its D-cache off, and a page that is cleared through one mapping while
 * lines of another are dirty.
 *
 * Where that and the architecture differ, this is as the architecture has it: to clean and invalidate through the
 * guest's address alone makes the first read right, but not the second, if colours differ, for the host has then a
 * line of its own (`guest-alias-other`). And the invalidate that loses the guest's entry does so where colours
 * agree; where they do not, it misses the line, and the host reads what was there before.
 *
 * One CPU, so all accesses are totally ordered. The guest is a program in the address space of the shadow tables.
 */
import { type GuestRam, layGuestRam } from '../../hypervisor/shadow/guest-ram.ts';
import { type GuestTables, guestEntryOf, layGuestTables } from '../../hypervisor/shadow/guest-tables.ts';
import { ShadowTables } from '../../hypervisor/shadow/shadow-tables.ts';
import { ShadowVm } from '../../hypervisor/shadow/shadow-vm.ts';
import type { AddressSpace } from '../../kernel/address-space.ts';
import type { BootMemory } from '../../kernel/boot-memory.ts';
import { bootEntryOf, bootInto } from '../../kernel/boot-process.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { layTables } from '../../kernel/page-table.ts';
import { ATTRIBUTE_UNCACHED, PTE } from '../../machine/attributes.ts';
import { noSteps, type Vectors } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { ScenarioError } from '../scenario.ts';
import { defineHypervisorScenario } from './define-hypervisor.ts';
import { changeEntries, type GuestPage, reusePage, WORD } from './shadow-pt-guest.ts';
import { asHypervisorVariant, type ShadowVariant, shadowVariants } from './shadow-pt-variants.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly ram: GuestRam;
  readonly tables: GuestTables;
  readonly pages: readonly GuestPage[];
  /** Guest-physical address of a page that no table uses. */
  readonly spareGpa: number;
}

/** Where the guest maps its pages. */
const GUEST_PAGES = 0x2000_0000;
/** Pages that the guest maps, and their distance: entries in lines of their own, and pages of several colours. */
const COUNT = 4;
const STRIDE = 17 * PAGE_BYTES;
const RAM_PAGES = 24;

function variantOf(name: string): ShadowVariant {
  const variant = shadowVariants.find((one) => one.name === name);
  if (!variant) throw new ScenarioError(`shadow-pt-read has no variant '${name}'`);
  return variant;
}

export default defineHypervisorScenario<Layout>({
  name: 'shadow-pt-read',
  title: 'A hypervisor reads its guest’s page tables through another address than the guest wrote them by',
  source:
    '"Cache clean of page table entries", linux-arm-kernel, November 2010; arch/arm/kvm/arm_mmu.c (get_guest_pgtable_entry, gva_to_gfn, kvm_coherent_from_guest) of KVM for ARMv6',
  module: import.meta.url,
  variants: shadowVariants.map(asHypervisorVariant),
  parameters: {
    rounds: {
      title: 'times that the host reads each entry for an instruction that it emulates',
      default: 3,
      min: 1,
      max: 100,
    },
  },
  cpus: 1,
  platform: 'arm1136',

  setup(machine, { variant: name }) {
    const variant = variantOf(name);
    const { kernel, prepared } = layKernel(machine, ['emulator', 'shadow'], (boot, [emulator, shadow]) => {
      const ram = layGuestRam(boot, emulator, RAM_PAGES, coloursOf(variant), READ_WRITE);
      return layGuest(boot, shadow, ram, variant);
    });
    bootInto(machine, 0, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant: name, rounds }) {
    const variant = variantOf(name);
    const kernel = properKernel(machine, layout.kernel, checker);
    const [emulator, shadow] = layout.kernel.spaces;
    const tables = new ShadowTables(kernel, shadow, checker, variant.shadow ?? {});
    const vm = new ShadowVm(kernel, { ...layout, emulator, shadow }, tables, variant.plan);
    const vectors: Vectors = {
      fault: (by, fault) => vm.fault(by, fault),
      refill: (by, fault) => kernel.refill(by, fault),
      interrupt: (by, vector) => kernel.interrupt(by, vector),
      coherencyException: coherencyHandler,
    };
    const program = variant.clears
      ? reusePage(cpu, vm, variant, layout.spareGpa)
      : changeEntries(cpu, vm, variant, layout.pages, Number(rounds), checker);
    return { program: cpu.index === 0 ? program : noSteps(), vectors };
  },
});

/** Tables are read by either of the host's addresses, a page is cleared through the kernel's alone. */
function coloursOf({ colour, clears }: ShadowVariant) {
  const apart = colour === 'same' ? 0 : 1;
  return { user: clears ? apart : 0, guest: apart };
}

function layGuest(boot: BootMemory, shadow: AddressSpace, ram: GuestRam, { guestUncached }: ShadowVariant) {
  const { machine } = boot;
  const tables = layGuestTables(machine, ram, GUEST_PAGES, (COUNT * STRIDE) / PAGE_BYTES);
  const spareGpa = tables.freeGpa;
  const pages = Array.from({ length: COUNT }, (_, i): GuestPage => {
    const va = GUEST_PAGES + i * STRIDE;
    const frame = spareGpa + (1 + 2 * i) * PAGE_BYTES;
    return { va, entryGpa: guestEntryOf(machine, ram, tables, va), frames: [frame, frame + PAGE_BYTES] };
  });
  layTables(boot, shadow.root, GUEST_PAGES, (COUNT * STRIDE) / PAGE_BYTES);
  layTables(boot, shadow.root, ram.guestVa, RAM_PAGES);
  const attribute = guestUncached === true ? ATTRIBUTE_UNCACHED << PTE.ATTRIBUTE_SHIFT : 0;
  for (const gpa of pages.flatMap(({ frames }) => frames)) machine.poke(ram.frame + gpa + WORD, gpa);
  for (const gpa of [spareGpa, ...pages.map(({ entryGpa }) => entryGpa - (entryGpa % PAGE_BYTES))]) {
    const entry = (ram.frame + gpa + READ_WRITE + attribute) >>> 0;
    machine.poke(bootEntryOf(machine, shadow, ram.guestVa + gpa), entry);
  }
  return { ram, tables, pages, spareGpa };
}
