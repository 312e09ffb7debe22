/**
 * What a CPU does to its own caches for a flush interface, by the kind of cache: nothing where lines are
 * found by physical address; by virtual tag; by translation; or through a temporary mapping of the frame in
 * the colour of the page.
 */
import { CLEAN, FLUSH } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT, type Platform } from '../../machine/platform.ts';
import { CTL } from '../../machine/registers.ts';
import { TLBI_VA } from '../../machine/tlb.ts';
import { colourOf, dataAliases, fetchAliases, tagsRepeat } from '../../machine/traits.ts';
import { type AddressSpace, ranOn } from '../address-space.ts';
import { maintainLines } from '../maintain-lines.ts';

/** Where the kernel maps a frame for a moment, in the colour of its user: Linux's ALIAS_FLUSH_START. */
const ALIAS_BASE = 0xffff_4000;

/**
 * Does flushing an address space spare the kernel's lines? By an operation on lines of the context (sun4c: Linux
 * arch/sparc/mm/sun4c.c, sun4c_flush_context) or of any user (hyperSPARC: hypersparc.S, hypersparc_flush_cache_mm,
 * ASI_M_FLUSH_USER). Elsewhere it empties the cache (ARM: arch/arm/mm/flush.c, flush_cache_mm; R4000:
 * arch/mips/mm/c-r4k.c, r4k_flush_cache_mm).
 */
export function flushesBySpace(platform: Platform): boolean {
  const { l1d, maintenance } = platform;
  return dataAliases(platform) && (l1d.asidTagged || maintenance.unmapped === 'ignored');
}

export class CacheLines {
  /** False where no flush of the data cache ever has anything to do. */
  readonly aliases: boolean;
  private readonly machine: Machine;
  private readonly lineBytes: number;

  constructor(machine: Machine) {
    this.machine = machine;
    this.lineBytes = machine.platform.lineBytes;
    this.aliases = dataAliases(machine.platform);
  }

  /**
   * Writes back and drops the lines of this CPU's L1D that were filled through a page.
   * @param frame physical address of what the page is mapped to
   */
  *userPage(cpu: Cpu, space: AddressSpace, va: number, frame: number): Steps {
    if (!this.aliases) return;
    const { l1d, maintenance } = this.machine.platform;
    if (l1d.organisation === 'vivt' || maintenance.unmapped === 'ignored') {
      yield* this.byAddress(cpu, space, va);
      return;
    }
    yield* this.throughAlias(cpu, va, frame);
  }

  /** Lines that match in the page's own context: by tag, or by a translation that must still be there. */
  private *byAddress(cpu: Cpu, space: AddressSpace, va: number): Steps {
    const { ctl } = cpu.hw;
    const root = ctl[CTL.ROOT] >>> 0;
    const asid = ctl[CTL.ASID];
    const isRunning = root === space.root;
    // What has no tag left the cache when its context did; and where it never ran there is nothing of it, while
    // translating its addresses would leave entries in a TLB that no flush of its own reaches.
    if (!isRunning && (tagsRepeat(this.machine.platform) || !(yield* this.hasRun(cpu, space)))) return;
    if (!isRunning) yield* cpu.setContext(space.root, space.asid);
    for (let at = 0; at < PAGE_BYTES; at += this.lineBytes) {
      yield* cpu.maintainVirtual(va + at, FLUSH, 'coherency');
    }
    if (!isRunning) yield* cpu.setContext(root, asid);
  }

  private *hasRun(cpu: Cpu, space: AddressSpace): Steps<boolean> {
    const uncached = this.machine.platform.coherence === 'none';
    return (yield* ranOn(cpu, space, uncached)).includes(cpu.index);
  }

  /**
   * Lines of the page's colour, through a kernel mapping of the frame made for the purpose, as Linux
   * flush_pfn_alias does on ARMv6 (arch/arm/mm/flush.c). The entry of that mapping is not modelled, the
   * invalidate of its translation is.
   */
  private *throughAlias(cpu: Cpu, va: number, frame: number): Steps {
    const { machine } = this;
    for (let at = 0; at < PAGE_BYTES; at += this.lineBytes) {
      yield* cpu.maintainPhysical(frame + at, FLUSH, 'coherency', va + at);
    }
    const alias = ALIAS_BASE + (colourOf(machine.platform, va) << PAGE_SHIFT);
    yield* cpu.tlbiLocal(TLBI_VA, alias, 1, machine.translation.asidOf(cpu.hw));
  }

  /**
   * Writes back and drops the lines of this CPU's L1D that were filled through the kernel's linear mapping.
   * @param keeps true: writes them back and leaves them
   */
  *kernelPage(cpu: Cpu, frame: number, keeps = false): Steps {
    if (!this.aliases) return;
    yield* maintainLines(cpu, frame, PAGE_BYTES, keeps ? CLEAN : FLUSH, 'coherency');
  }

  /** Writes back and drops everything in this CPU's L1D, by set and way. */
  *everything(cpu: Cpu): Steps {
    if (!this.aliases) return;
    const { sets, ways } = cpu.hw.l1d;
    for (let set = 0; set < sets; set++) {
      for (let way = 0; way < ways; way++) yield* cpu.maintainSetWay('l1d', set, way, FLUSH);
    }
  }

  /** Makes what was stored through the kernel's mapping visible to instruction fetches. */
  *cleanForFetch(cpu: Cpu, pa: number, sizeBytes: number): Steps {
    if (this.machine.platform.l1i.fillsFrom === 'data-caches') return;
    yield* maintainLines(cpu, pa, sizeBytes, CLEAN, 'unification');
  }

  /**
   * Drops instructions of some lines from this CPU's L1I, or from all where that is broadcast: all of them
   * where one line may sit there under several addresses.
   */
  *dropFetched(cpu: Cpu, pa: number, sizeBytes: number): Steps {
    const { platform } = this.machine;
    if (platform.l1i.snooped) return;
    if (fetchAliases(platform)) {
      yield* cpu.invalidateFetchAll();
      return;
    }
    for (let at = pa - (pa % this.lineBytes); at < pa + sizeBytes; at += this.lineBytes) {
      yield* cpu.invalidateFetchPhysical(at);
    }
  }
}
