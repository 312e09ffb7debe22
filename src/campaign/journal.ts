/**
 * The journal of a campaign: a header, then a line for each unit that is done. A unit is done when its line has
 * reached the disk, and from then on it is neither lost nor run again.
 */
import { constants, existsSync, realpathSync, statSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CampaignError } from './campaign-file.ts';
import { encodeHeader, type Header } from './header.ts';
import { type JournalLock, lockJournal } from './journal-lock.ts';
import { readJournal } from './journal-reader.ts';
import { encodeLine, type UnitLine } from './line.ts';
import { UnitSet } from './unit-set.ts';

/** Lines that come within this time reach the disk together: syncs are what a journal costs. */
const COMMIT_MS = 50;

export class Journal {
  readonly path: string;
  /** Units whose lines are on the disk. */
  readonly done: UnitSet;
  /** How often the disk has been waited for. */
  syncs = 0;
  private readonly file: FileHandle;
  private readonly lock: JournalLock;
  private readonly onDone: (line: UnitLine) => void;
  private waiting: UnitLine[] = [];
  private readonly promised: UnitSet;
  /** Lines that have been taken, and those of them that are on the disk: the first ones. */
  private taken = 0;
  private synced = 0;
  private committing: Promise<void> | undefined;
  private failure: unknown;

  private constructor(
    path: string,
    file: FileHandle,
    lock: JournalLock,
    done: UnitSet,
    onDone: (line: UnitLine) => void,
  ) {
    this.path = path;
    this.file = file;
    this.lock = lock;
    this.done = done;
    this.onDone = onDone;
    this.promised = new UnitSet(done.total);
  }

  /**
   * Opens the journal of a campaign, or begins it. What was torn at its end is cut off.
   * @param onDone told of each unit that is done, of those of earlier times at once
   * @throws CampaignError if it is the journal of another campaign, or damaged, or being written
   */
  static async open(name: string, header: Header, onDone: (line: UnitLine) => void): Promise<Journal> {
    // One file has one lock, whatever it is called by.
    const path = existsSync(name) ? realpathSync(name) : name;
    demandFile(path);
    const lock = await lockJournal(path);
    try {
      const done = new UnitSet(header.units);
      await begin(path, header);
      const head = encodeHeader(header);
      const { goodBytes, bytes } = readJournal(
        path,
        (found, text) => {
          if (text !== head) throw new CampaignError(otherText(path, found, header));
        },
        (line, _, number) => {
          if (!done.add(line.unit)) {
            throw new CampaignError(
              `${path}: line ${number} has unit ${line.unit} again: flushlab campaign merge drops what is equal`,
            );
          }
          onDone(line);
        },
      );
      const file = await open(path, constants.O_WRONLY | constants.O_APPEND);
      if (goodBytes < bytes) await file.truncate(goodBytes);
      // What was read may not have reached the disk before its writer was killed.
      await file.sync();
      return new Journal(path, file, lock, done, onDone);
    } catch (error) {
      lock.release();
      throw written(path, error);
    }
  }

  /**
   * Takes lines of units that have just been run; those of units that are here already are dropped.
   * @returns when they are done
   * @throws CampaignError if they cannot be written
   */
  async add(lines: readonly UnitLine[]): Promise<void> {
    for (const line of lines) {
      if (this.done.has(line.unit) || !this.promised.add(line.unit)) continue;
      this.waiting.push(line);
      this.taken++;
    }
    // Those that were here already may be on their way. What others bring meanwhile is waited for by them.
    const mine = this.taken;
    while (this.failure === undefined && this.synced < mine) {
      this.committing ??= this.commit();
      await this.committing;
    }
    if (this.failure !== undefined) throw this.failure;
  }

  private async commit(): Promise<void> {
    const began = performance.now();
    try {
      const lines = this.waiting;
      this.waiting = [];
      await writeAll(this.file, lines.map((line) => `${encodeLine(line)}\n`).join(''));
      await this.file.sync();
      this.syncs++;
      this.synced += lines.length;
      for (const line of lines) {
        this.done.add(line.unit);
        this.onDone(line);
      }
      const rest = COMMIT_MS - (performance.now() - began);
      if (rest > 0 && this.isOpen) await new Promise((wake) => setTimeout(wake, rest));
    } catch (error) {
      // After a sync that failed nobody knows what is on the disk: nothing more is written.
      this.failure = written(this.path, error);
    } finally {
      this.committing = undefined;
    }
  }

  private isOpen = true;

  /** Waits for what is being written, and lets others write. */
  async close(): Promise<void> {
    this.isOpen = false;
    try {
      await this.add([]);
    } finally {
      await this.file.close();
      this.lock.release();
    }
  }
}

/** A device is empty as a new file is, but would be replaced by one. @throws CampaignError */
function demandFile(path: string): void {
  if (path !== '' && statSync(path, { throwIfNoEntry: false })?.isFile() !== false) return;
  throw new CampaignError(
    `--journal ${path}: is ${path === '' ? 'no name' : 'no file'}: name a file in a folder that exists`,
  );
}

/** A file appears with its header, or not at all. */
async function begin(path: string, header: Header): Promise<void> {
  if (existsSync(path) && statSync(path).size > 0) return;
  // Nobody else has the lock: what was left of an earlier try is overwritten.
  const temporary = `${path}.new`;
  await writeWhole(temporary, [encodeHeader(header)]);
  await rename(temporary, path);
  await syncFolder(path);
}

/** Writes lines to a file of its own, and waits for the disk. */
export async function writeWhole(path: string, lines: Iterable<string>): Promise<void> {
  const file = await open(path, 'w');
  try {
    let text = '';
    for (const line of lines) {
      text += `${line}\n`;
      if (text.length < 1 << 20) continue;
      await writeAll(file, text);
      text = '';
    }
    await writeAll(file, text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text, 'utf8');
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

/** A name is on the disk when its folder is. */
export async function syncFolder(path: string): Promise<void> {
  // Windows has no such thing.
  const folder = await open(dirname(path), 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

function otherText(path: string, found: Header, wanted: Header): string {
  const remedy = 'give another --journal';
  if (found.flushlab !== wanted.flushlab) {
    return `${path}: was begun by flushlab ${found.flushlab}, this is ${wanted.flushlab}: ${remedy}`;
  }
  const isSame = found.campaign.name === wanted.campaign.name;
  const what = isSame ? `an earlier text of campaign` : `another campaign,`;
  return `${path}: is the journal of ${what} '${found.campaign.name}': ${remedy}`;
}

function written(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof CampaignError || code === undefined) return error;
  return new CampaignError(`${path}: cannot be written (${code}): mend that, and run it again to go on`);
}
