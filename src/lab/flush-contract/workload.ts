/**
 * Programs that hold an implementation of the flush interfaces against its contract (kernel/flush/interfaces.ts).
 * CPUs take turns, so that every access has an order; CPU 0 calls the interface and looks at the machine when it
 * has returned. What does not hold is thrown as a `Flaw`.
 */

import type { BootMemory } from '../../kernel/boot-memory.ts';
import { bootAllInto, bootMap } from '../../kernel/boot-process.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { ALIAS_SITES } from '../../kernel/flush/update-mmu-cache.ts';
import { layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { bootMapping, laySharedPage } from '../../kernel/rmap.ts';
import { PTE } from '../../machine/attributes.ts';
import type { Cpu, Vectors } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { colours, KERNEL_BASE, PAGE_BYTES, PAGE_SHIFT } from '../../machine/platform.ts';
import type { Parameters, Workload } from '../../program/workload.ts';
import { contractChecks } from './checks.ts';
import { type ContractLayout, type ContractPage, SPARE_WORD, takeTurns } from './desk.ts';

const USER = 0x4000_0000;
const KERNEL_PAGE = KERNEL_BASE + 0x0100_0000;
const PAGES = 2;
/** Of another colour in every cache whose ways are larger than a page. */
const ALIAS = USER + 9 * PAGE_BYTES;
const SITE = 'check';
const sites = [SITE, ...Object.keys(ALIAS_SITES)];

/** Setting `check` names one of the checks; with `omit` the call is left out, which must be noticed. */
function createWorkload({ check, omit }: Parameters): Workload<ContractLayout> {
  return {
    setup: layContract,
    start: ({ machine, checker, cpu, layout }) => {
      const kernel = properKernel(machine, layout.kernel, checker);
      const flushes = new FlushArchitecture(kernel, checker, sites, new Set(omit === true ? [SITE] : []));
      const desk = { machine, kernel, flushes, calls: flushes.at(SITE), layout };
      const vectors: Vectors = {
        *fault() {
          return false;
        },
        interrupt: (by, vector) => kernel.interrupt(by as Cpu, vector),
        refill: (by, fault) => kernel.refill(by as Cpu, fault),
        coherencyException: (by, fault) => coherencyHandler(by as Cpu, fault),
      };
      return { program: takeTurns(cpu, desk, contractChecks[String(check)].stages), vectors };
    },
  };
}

/** The programs, and the URL that jobs name them by. */
export default { module: import.meta.url, createWorkload };

function layContract(machine: Machine): ContractLayout {
  const userBits = READ_WRITE | PTE.EXECUTE;
  const isGlobal = machine.platform.mmu.kernelMappings === 'global';
  const kernelBits = READ_WRITE | (isGlobal ? PTE.GLOBAL : 0);
  const { kernel, prepared } = layKernel(machine, ['process', 'other'], (boot, [space, other], lock) => {
    const pages = bootMap(boot, space, USER, PAGES, userBits).map((page) => withFrames(boot, page, userBits));
    const [mapped] = bootMap(boot, space, KERNEL_PAGE, 1, kernelBits);
    const kernelPage = withFrames(boot, mapped, kernelBits);
    const [{ ptePa: otherEntryPa }] = bootMap(boot, other, KERNEL_PAGE, 1, kernelBits);
    machine.poke(otherEntryPa, machine.peek(kernelPage.ptePa));
    const [alias] = bootMap(boot, space, ALIAS, 1, userBits);
    machine.poke(alias.ptePa, 0);
    const shared = laySharedPage(boot, pages[0].frame, lock('shared page'));
    bootMapping(machine, shared, 0, USER);
    return { pages, alias, shared, kernelPage, otherEntryPa, turnPa: boot.line() };
  });
  bootAllInto(machine, kernel.spaces[0]);
  return { kernel, ...prepared };
}

/** Maps a page to a frame of another colour, and prepares one more to map it to. */
function withFrames(
  boot: BootMemory,
  { va, ptePa }: { readonly va: number; readonly ptePa: number },
  bits: number,
): ContractPage {
  const { machine } = boot;
  const colourMask = colours(machine.platform.l1d) - 1;
  const another = () => {
    for (;;) {
      const frame = boot.pages(1);
      if (colourMask === 0 || (((frame ^ va) >>> PAGE_SHIFT) & colourMask) !== 0) return frame;
    }
  };
  const frame = another();
  const spare = another();
  machine.poke(ptePa, (frame | bits) >>> 0);
  machine.poke(spare, SPARE_WORD);
  return { va, ptePa, frame, spare };
}
