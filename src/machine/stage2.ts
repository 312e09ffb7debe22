/**
 * From an intermediate to a physical address: what the CPU remembers of stage 2, or a walk of its tables, which are
 * the host's and hold physical addresses. The walker reads them as it reads the host's own.
 */
import { frameAddress, PTE } from './attributes.ts';
import type { CpuState } from './cpu-state.ts';
import { EVENT } from './events.ts';
import type { Stage2Leaf } from './ipa-cache.ts';
import { PAGE_SHIFT, type Platform } from './platform.ts';
import { CTL } from './registers.ts';
import type { MachineState } from './state.ts';
import type { Translation } from './translation.ts';
import { levelShapes } from './walk-steps.ts';

export class Stage2 {
  private readonly m: MachineState;
  private readonly translation: Translation;
  private readonly levels: ReturnType<typeof levelShapes>;

  constructor(
    state: MachineState,
    translation: Translation,
    virtualization: NonNullable<Platform['virtualization']>,
  ) {
    this.m = state;
    this.translation = translation;
    this.levels = levelShapes(virtualization.stage2Levels);
  }

  /**
   * Finds the leaf for an intermediate address, valid or not: no step of its own if the CPU remembers it, otherwise
   * one a level.
   * @param va of the walk that wants to know
   */
  *translate(cpu: CpuState, va: number, ipa: number): Generator<number, Stage2Leaf, void> {
    const { m, levels, translation } = this;
    const known = this.remembered(cpu, va, ipa);
    if (known) return known;
    let table = cpu.ctl[CTL.STAGE2_ROOT] >>> 0;
    for (let level = 0; ; level++) {
      const { shift, mask } = levels[level];
      const generation = translation.generationOf(table);
      yield 0;
      cpu.ctl[CTL.WALK_GENERATION] = generation;
      const index = ((ipa >>> PAGE_SHIFT) >>> shift) & mask;
      const found = translation.readEntryStep(cpu, va, table + index * m.platform.mmu.entryBytes);
      const goesOn =
        (found.pte & PTE.VALID) !== 0 && (found.pte & PTE.TABLE) !== 0 && level < levels.length - 1;
      if (!goesOn) {
        const leaf = {
          pte: found.pte,
          size: shift,
          ptePa: found.ptePa,
          version: found.pteVersion,
          generation: translation.generationOf(frameAddress(found.pte)),
        };
        this.remember(cpu, va, ipa, leaf);
        return leaf;
      }
      table = frameAddress(found.pte);
    }
  }

  private remembered(cpu: CpuState, va: number, ipa: number): Stage2Leaf | undefined {
    const { m } = this;
    if (!cpu.ipaCache) return undefined;
    m.lockCpu(cpu);
    const known = cpu.ipaCache.lookup(cpu.ctl[CTL.VMID], ipa >>> PAGE_SHIFT);
    m.events?.push(EVENT.STAGE2, cpu.index, ipa, known ? known.pte : 0, va);
    m.unlockCpu(cpu);
    return known;
  }

  /** An entry whose access flag is off is not remembered, nor one that an invalidate has come for meanwhile. */
  private remember(cpu: CpuState, va: number, ipa: number, leaf: Stage2Leaf): void {
    const { m, translation } = this;
    if (!cpu.ipaCache || (leaf.pte & PTE.ACCESSED) === 0) return;
    m.lockCpu(cpu);
    if (!translation.isCancelled(cpu)) {
      m.events?.push(EVENT.STAGE2, cpu.index, ipa, leaf.pte, va);
      cpu.ipaCache.insert(cpu.ctl[CTL.VMID], ipa >>> PAGE_SHIFT, leaf);
    }
    m.unlockCpu(cpu);
  }
}
