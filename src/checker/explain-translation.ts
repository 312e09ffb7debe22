/** Translations that outlived their time, in words: of the host, and of a guest at either stage. */
import { PLACE_WALKER } from '../machine/check-port.ts';
import { asidOfTag, vmidOfTag } from '../machine/tlb-tag.ts';
import { type Description, entryWords, hex, line } from './explanation.ts';
import { diagnoses, type FindingRecord } from './finding.ts';

/** An access through an entry that should be gone. */
export function translation(f: FindingRecord): Description {
  const freed = f.kind === 'freed-frame';
  const verb = f.write === 1 ? 'stored to' : 'loaded from';
  if (f.stage !== undefined) return guestTranslation(f, f.stage, freed);
  const asid = f.detail < 0 ? 'global' : `ASID ${f.detail}`;
  const title = freed
    ? `CPU ${f.cpu} reached a frame that had been freed`
    : `CPU ${f.cpu} used a translation that had been taken away`;
  const access = `CPU ${f.cpu} ${verb} virtual ${hex(f.va)} and reached physical ${hex(f.pa)} at cycle ${f.clock}`;
  const copy =
    `an entry in the TLB of CPU ${f.cpu}, ${asid}, filled at cycle ${f.fillClock} from the table word at ` +
    `${hex(f.ptePa)}, version ${f.version}: ${entryWords(f.pte)}`;
  return {
    title,
    lines: [
      line('access', access),
      line('copy', copy),
      line('culprit', tableWrite(f)),
      line('missing', missingInvalidate(f)),
    ],
  };
}

/** One of a guest, at the stage that is to blame. */
function guestTranslation(f: FindingRecord, stage: number, freed: boolean): Description {
  const cpu = `CPU ${f.cpu}`;
  const whose = stage === 2 ? 'of stage 2, the host’s' : 'of the guest’s own stage 1';
  const from = `the table word at ${hex(f.ptePa)}, version ${f.version}: ${entryWords(f.pte, pageOf(f))}`;
  const at = `intermediate ${hex(f.ipa ?? 0)} and physical ${hex(f.pa)} at cycle ${f.clock}`;
  const vmid = `VMID ${vmidOfTag(f.detail)}`;
  const asid = asidOfTag(f.detail);
  const isWalk = f.place === PLACE_WALKER;
  const did = isWalk ? 'read a table of the guest for' : f.write === 1 ? 'stored to' : 'loaded from';
  const who = isWalk ? `the walker of ${cpu}` : `a guest on ${cpu}`;
  return {
    title: freed
      ? `${who} reached a frame that had been freed`
      : `${who} used a translation ${whose}, that had been taken away`,
    lines: [
      line('access', `${who} ${did} virtual ${hex(f.va)} and reached ${at}`),
      isWalk
        ? line('copy', `what ${cpu} remembers of stage 2, ${vmid}, from ${from}`)
        : line(
            'copy',
            `an entry in the TLB of ${cpu}, ${vmid}, ${asid < 0 ? 'no ASID' : `ASID ${asid}`}, filled at cycle ${f.fillClock}; stage ${stage} from ${from}`,
          ),
      line('culprit', tableWrite(f)),
      line('missing', missingInvalidate(f)),
    ],
  };
}

/** What a table entry of a finding's stage leads to. */
function pageOf({ stage }: FindingRecord): string {
  return stage === 1 ? 'intermediate page' : 'frame';
}

/** Whose write took the translation away; it may not have left that CPU's write buffer yet. */
export function tableWrite(f: FindingRecord): string {
  if (f.other >= 0) {
    const still = 'the write is still in its write buffer';
    return `CPU ${f.other} changed that word to ${entryWords(f.newestPte, pageOf(f))}; ${still}, memory has version ${f.newest}`;
  }
  if (f.newest > f.version) {
    const by = `CPU ${f.writer} wrote version ${f.newest} of that word at its cycle ${f.writerClock}`;
    return `${by}: ${entryWords(f.newestPte, pageOf(f))}`;
  }
  if (f.kind === 'freed-frame') {
    return `the frame at ${hex(f.pa - (f.pa % 4096))} went back to the allocator; the table word still maps it`;
  }
  return 'the write that takes the page away has not reached memory: it was still in a write buffer';
}

function missingInvalidate(f: FindingRecord): string {
  if (f.kind === 'freed-frame' && f.diagnosis <= 0) {
    return `the frame was freed before an invalidate had removed the entry from the TLB of CPU ${f.cpu}`;
  }
  const cpu = `CPU ${f.cpu}`;
  return (diagnoses[f.diagnosis] ?? diagnoses[0]).replace('this CPU', cpu);
}
