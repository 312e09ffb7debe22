/** Reads journals, line by line, however long they are, and whatever state their writer left them in. */
import { closeSync, openSync, readSync } from 'node:fs';
import { CampaignError } from './campaign-file.ts';
import { decodeHeader, type Header } from './header.ts';
import { decodeLine, type UnitLine } from './line.ts';

export interface JournalState {
  readonly header: Header;
  /** The header's text. */
  readonly head: string;
  /** Bytes up to the end of the last line that is whole. What follows was torn. */
  readonly goodBytes: number;
  readonly bytes: number;
}

/** Told of a line, with its text and its number in the file, from 1. */
export type Visit = (line: UnitLine, text: string, number: number) => void;

/**
 * Reads a journal, also one that is being written. Its end may be torn; anything else that is no line is damage.
 * @param onHeader told before any line, with the header's text
 * @throws CampaignError if the file cannot be read, is no journal, or is damaged
 */
export function readJournal(
  path: string,
  onHeader: (header: Header, text: string) => void,
  visit: Visit,
): JournalState {
  let header: Header | undefined;
  let head = '';
  let goodBytes = 0;
  let number = 0;
  let badNumber = 0;
  const bytes = eachLine(path, (text, end) => {
    number++;
    if (number === 1) {
      header = decodeHeader(text);
      head = text;
      if (!header) throw new CampaignError(notJournal(path));
      goodBytes = end;
      onHeader(header, text);
      return;
    }
    const line = decodeLine(text, header?.units ?? 0);
    if (!line) {
      badNumber ||= number;
      return;
    }
    // What was written last may be torn in many places; a whole line after it was written later.
    if (badNumber > 0) {
      throw new CampaignError(
        `${path}: line ${badNumber} is damaged: delete that line, and its run is made again`,
      );
    }
    goodBytes = end;
    visit(line, text, number);
  });
  if (!header) throw new CampaignError(notJournal(path));
  return { header, head, goodBytes, bytes };
}

const notJournal = (path: string) =>
  `${path}: is no journal of a campaign that this flushlab reads: name one that flushlab campaign run has written`;

const CHUNK_BYTES = 1 << 20;

/** Tells of each whole line and of where it ends. @returns the length of the file in bytes */
function eachLine(path: string, tell: (text: string, end: number) => void): number {
  const file = openForReading(path);
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let parts: Buffer[] = [];
    let at = 0;
    for (;;) {
      const length = readSync(file, chunk, 0, CHUNK_BYTES, at);
      if (length === 0) return at;
      let from = 0;
      for (;;) {
        const newline = chunk.subarray(0, length).indexOf(10, from);
        if (newline < 0) break;
        parts.push(chunk.subarray(from, newline));
        tell(Buffer.concat(parts).toString('utf8'), at + newline + 1);
        parts = [];
        from = newline + 1;
      }
      // The chunk is filled anew.
      if (from < length) parts.push(Buffer.from(chunk.subarray(from, length)));
      at += length;
    }
  } finally {
    closeSync(file);
  }
}

function openForReading(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CampaignError(
      `${path}: cannot be read (${code}): name a journal that flushlab campaign run has written`,
    );
  }
}
