/** Switches between host and guest: the cells of `flushlab cost world-switch`, one a point. */
import { type WorldDesign, worldDesigns } from '../../kernel/asid/world-switch.ts';
import { LockstepPool } from '../lockstep-pool.ts';
import { measureWorlds, noWorlds } from '../world-switch-cost.ts';
import { figures, LIMITS } from './cell.ts';
import type { Experiment } from './experiment.ts';

export const worlds: Experiment = {
  name: 'worlds',
  title: 'to a guest and back, by design of the ASIDs of the two worlds',
  source:
    'Christoffer Dall, "Using non-Global mappings for kernel address space", linux-arm-kernel, 2010-11-08',
  parameters: {
    design: { title: 'how the TLB tells the worlds apart', default: 'flush', values: worldDesigns },
    pages: { title: 'pages that process, kernel and guest use, each', default: 8, min: 1, max: 256 },
    work: { title: 'cycles of other work between two switches', default: 0, min: 0, max: 10_000_000 },
  },
  measures: {
    cycles: { title: 'from one world switch to the next, the work included', unit: 'cycles' },
    walks: { title: 'table walks of that', unit: 'walks' },
  },
  defaultPlatform: 'arm1136',
  usual: { design: worldDesigns.join(','), work: '0,1000,10000,100000', pages: '2,8,16,48' },
  unsupported: noWorlds,
  async measure({ platform, parameters: { design, pages, work }, seed }) {
    const cell = { design: design as WorldDesign, pages: Number(pages), work: Number(work) };
    const [row] = await measureWorlds(platform, [cell], { ...LIMITS, seed }, new LockstepPool(0));
    return figures({ cycles: row.cycles, walks: row.walks });
  },
};
