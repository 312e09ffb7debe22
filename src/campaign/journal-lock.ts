/**
 * One writer a journal. Whoever wants to write first puts a file with a name of its own beside the journal, and
 * then looks for others' files: of two that come at once at least one sees the other, so both may give way but never
 * both go on. A name is never used twice, so a dead writer's file can be deleted by anybody at any time.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CampaignError } from './campaign-file.ts';

export interface JournalLock {
  release(): void;
}

/** How often somebody tries who has met another one that came at the same moment. */
const TRIES = 4;

/**
 * @throws CampaignError if another process writes the journal, or may write it on another machine
 */
export async function lockJournal(path: string): Promise<JournalLock> {
  for (let left = TRIES; ; left--) {
    const name = ownName(path);
    const file = join(dirname(path), name);
    create(path, file);
    const other = otherWriter(path, name);
    if (other === undefined) return { release: () => rmSync(file, { force: true }) };
    rmSync(file, { force: true });
    if (left === 1) throw new CampaignError(inUse(path, other));
    // Two that came at once do not come at once again.
    await sleep(50 + (randomBytes(1)[0] % 100));
  }
}

function create(path: string, file: string): void {
  try {
    writeFileSync(file, '', { flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CampaignError(`${path}: cannot be written (${code}): name a file in a folder that exists`);
  }
}

interface Owner {
  readonly file: string;
  readonly pid: number;
  readonly start: string;
  readonly machine: string;
}

/** Everything that is to be known is in the name: a file exists at once, its contents do not. */
function ownName(path: string): string {
  const { pid } = process;
  const words = [pid, startOf(pid) ?? '0', machine(), randomBytes(4).toString('hex')];
  return `${basename(path)}.lock.${words.join('.')}`;
}

/** The file of somebody who is alive, or may be; those of the dead are deleted. */
function otherWriter(path: string, own: string): Owner | undefined {
  const prefix = `${basename(path)}.lock.`;
  for (const file of readdirSync(dirname(path))) {
    if (file === own || !file.startsWith(prefix)) continue;
    const match = /^(\d+)\.(\d+)\.([\w-]+)\.[0-9a-f]{8}$/.exec(file.slice(prefix.length));
    if (!match) continue;
    const owner = { file, pid: Number(match[1]), start: match[2], machine: match[3] };
    if (mayBeAlive(owner)) return owner;
    rmSync(join(dirname(path), file), { force: true });
  }
  return undefined;
}

function mayBeAlive({ pid, start, machine: of }: Owner): boolean {
  // Nobody here knows who is alive elsewhere.
  if (of !== machine()) return true;
  if (startOf(pid) !== undefined) return startOf(pid) === start;
  if (start !== '0') return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function inUse(path: string, { pid, machine: of, file }: Owner): string {
  const here = of === machine();
  const who = here ? `process ${pid}` : `process ${pid} of another machine (${of})`;
  const remedy = here ? 'wait for it, or end it' : `if that is gone, delete ${join(dirname(path), file)}`;
  return `${path}: ${who} is writing it: ${remedy}`;
}

let known: string | undefined;

/** This machine since it was started, as far as its process numbers reach: a container has its own. */
function machine(): string {
  known ??= [hostname(), read('/proc/sys/kernel/random/boot_id')?.slice(0, 8), link('/proc/self/ns/pid')]
    .filter((word) => word !== undefined)
    .join('-')
    .replace(/[^\w-]+/g, '-')
    .slice(0, 100);
  return known;
}

/**
 * When a process was started, in ticks since the machine was: a number that comes again belongs to another process
 * (proc_pid_stat(5), field 22). Undefined if there is none, a zombie is as good as none; or no /proc.
 */
function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name in parentheses may contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
