/** A page that the guest shares with a device: one that the host emulates, or one that is passed through to it. */
import { FORCED_PAGE } from '../../hypervisor/guest-memory/page-maintenance.ts';
import type { Platform } from '../../machine/platform.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { isSnooped, memoryIsCurrent } from '../flush/dma-facts.ts';
import { fact } from '../flush/facts.ts';
import type { Expectation } from '../scenario.ts';
import { dirtyHostLines, neverBypasses, withoutForcedWriteBack } from './uncached-facts.ts';
import { COHERENT, type MappingVariant, rightly, typesFact } from './uncached-mapping-variant.ts';

const snoopFact = (platform: Platform) => fact(platform, 'dma.snooped');

function emulatorIsStale(platform: Platform): Expectation {
  return (
    neverBypasses(platform) ??
    found(
      ['stale-data'],
      `the emulator hits the lines of what it showed last, and the guest has drawn past them: ${typesFact(platform)}`,
    )
  );
}

/** Is what the guest maps uncached made cacheable by the trap of MAIR? */
const isMangled = ({ virtualization }: Platform): boolean => virtualization?.guestCaching === 'mair';

/** A device that reads memory while what the guest stored is in the caches. */
function deviceReadsOld(platform: Platform, how: string): Expectation {
  if (isSnooped(platform)) return clean(`the device looks into the caches: ${snoopFact(platform)}`);
  if (memoryIsCurrent(platform)) return clean(`no line is ever dirty: ${fact(platform, 'l1d.write')}`);
  return found(
    ['device-old-data'],
    `${how}, so what it stored is dirty there, and the device reads memory: ${snoopFact(platform)}; ${typesFact(platform)}`,
  );
}

function withoutSay(platform: Platform): Expectation | undefined {
  if (neverBypasses(platform) === undefined) return undefined;
  return deviceReadsOld(platform, 'the guest has no way to map memory uncached');
}

export const sharedVariants: readonly MappingVariant[] = [
  {
    name: 'emulator-unaware',
    title: 'a frame buffer: the guest draws uncached, the emulator looks and draws through its caches',
    subject: 'frame-buffer',
    emulator: 'nothing',
    policy: COHERENT,
    expectOn: emulatorIsStale,
  },
  {
    name: 'emulator-cleans',
    title: 'the emulator cleans what it has drawn, and invalidates nothing before it looks',
    subject: 'frame-buffer',
    emulator: 'clean-after-write',
    policy: COHERENT,
    expectOn: emulatorIsStale,
  },
  {
    name: 'emulator-invalidates',
    title: 'the emulator invalidates before it looks, and cleans nothing that it has drawn',
    subject: 'frame-buffer',
    emulator: 'flush-before-read',
    policy: COHERENT,
    expectOn: (platform) =>
      dirtyHostLines(
        platform,
        ['stale-data'],
        'the guest looks at memory, and what the emulator drew is in its cache',
      ),
  },
  {
    name: 'emulator-maintains',
    title:
      'the emulator is a device that is not coherent: it invalidates before it looks, cleans after it draws',
    subject: 'frame-buffer',
    emulator: 'both',
    policy: COHERENT,
    expectOn: rightly('the emulator looks at memory and draws to memory'),
  },
  {
    name: 'told-coherent',
    title: 'the guest is told that the device is coherent (dma-coherent, _CCA) and maps the page cacheable',
    subject: 'frame-buffer',
    isToldCoherent: true,
    emulator: 'nothing',
    policy: COHERENT,
    expectOn: rightly('both use the caches, although the guest could go past them'),
  },
  {
    name: 'mair-trap',
    title: 'a frame buffer: writes of MAIR trap, and the host makes everything in it cacheable',
    subject: 'frame-buffer',
    emulator: 'nothing',
    policy: COHERENT,
    trapsTypes: true,
    expectOn: (platform) =>
      isMangled(platform)
        ? clean(`what the guest calls uncached is cached: ${typesFact(platform)}`)
        : emulatorIsStale(platform),
  },
  {
    name: 'mair-trap-before-mmu',
    title: 'the trap of MAIR, and a guest that draws before it turns its MMU on',
    subject: 'frame-buffer',
    emulator: 'nothing',
    policy: COHERENT,
    trapsTypes: true,
    beforeMmu: true,
    expectOn: emulatorIsStale,
  },
  {
    name: 'mair-trap-two-mappings',
    title: 'the trap of MAIR, and a guest that maps a page cached and uncached at once and maintains nothing',
    subject: 'streaming',
    policy: COHERENT,
    trapsTypes: true,
    expectOn: (platform) =>
      isMangled(platform)
        ? clean(`both mappings are cached, so the guest’s mistake does not show: ${typesFact(platform)}`)
        : dirtyHostLines(
            platform,
            ['stale-data', 'lost-write'],
            'the trap leaves the guest’s types alone, and what it stored before is in its own cache',
          ),
  },
  {
    name: 'assigned-device',
    title:
      'a device that is passed through: the guest maps what it reads uncached if it does not look into caches',
    subject: 'assigned-device',
    policy: COHERENT,
    expectOn: (platform) =>
      withoutSay(platform) ??
      clean(`guest and device meet where the device looks: ${snoopFact(platform)}; ${typesFact(platform)}`),
  },
  {
    name: 'mair-trap-device',
    title: 'the trap of MAIR, and a device that is passed through',
    subject: 'assigned-device',
    policy: COHERENT,
    trapsTypes: true,
    expectOn: (platform) =>
      isMangled(platform)
        ? deviceReadsOld(platform, 'the guest maps its buffer uncached and gets it cached')
        : clean(`the trap leaves the guest’s types alone: ${typesFact(platform)}`),
  },
  {
    name: 'mair-trap-stage-2',
    title: 'the trap of MAIR, and stage 2 makes a device’s memory uncached if it does not look into caches',
    subject: 'assigned-device',
    policy: COHERENT,
    trapsTypes: true,
    stage2Uncached: true,
    expectOn: (platform) =>
      clean(`the stricter of two stages counts, and stage 2 is the host’s: ${snoopFact(platform)}`),
  },
  {
    name: 'forced-write-back',
    title: 'a frame buffer that the guest maps uncached and stage 2 makes cacheable',
    platform: 'neoverse-v1',
    subject: 'frame-buffer',
    emulator: 'nothing',
    policy: { atFault: FORCED_PAGE },
    forcedWriteBack: true,
    unsupported: withoutForcedWriteBack,
    expectOn: (platform) =>
      clean(`stage 2 has the last word: ${fact(platform, 'virtualization.forcedWriteBack')}`),
  },
  {
    name: 'forced-write-back-device',
    title: 'a device that is passed through to a guest whose data stage 2 makes cacheable',
    platform: 'neoverse-v1',
    subject: 'assigned-device',
    policy: { atFault: FORCED_PAGE },
    forcedWriteBack: true,
    unsupported: withoutForcedWriteBack,
    expectOn: (platform) => deviceReadsOld(platform, 'the guest’s data is cached whatever it asks for'),
  },
];
