/** Where in a program a step comes from: taken from the stack at the moment at which the machine says something. */
import { basename, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EventLog } from '../machine/events.ts';

/** A line of a program. */
export interface Place {
  readonly name: string;
  /** Relative to the package for code of flushlab, otherwise to the current folder. */
  readonly file: string;
  readonly line: number;
}

const SOURCES = fileURLToPath(new URL('../', import.meta.url));
const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));
/** Folders of flushlab with code that programs are made of. */
const PROGRAMS = /^(kernel|hypervisor|scenarios)[/\\]/;
/** Below this a stack is the host's, and whoever called it. */
const HOST = /^hosts[/\\]/;
/** `    at Class.name (file:line:column)`, or without a name and brackets. */
const FRAME = /^\s*at (?:(.*) \()?(.+?):(\d+):\d+\)?$/;
const DEEP = 100;

/** A log that knows where each of its events comes from. It is slow: for a run that somebody will read. */
export class PlacedLog extends EventLog {
  /** Of each event its places, the innermost first. */
  readonly places: (readonly Place[])[] = [];

  override push(kind: number, cpu: number, a: number, b: number, c: number): void {
    super.push(kind, cpu, a, b, c);
    this.places.push(placesHere());
  }

  override clear(): void {
    super.clear();
    // Called by the constructor of an execution at the earliest: the field is there.
    this.places.length = 0;
  }
}

function placesHere(): Place[] {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEEP;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = limit;
  const places: Place[] = [];
  for (const frame of stack.split('\n')) {
    const [, called = '', file, line] = FRAME.exec(frame) ?? [];
    if (file === undefined || file.startsWith('node:')) continue;
    const path = file.startsWith('file:') ? fileURLToPath(file.replace(/[?#].*$/, '')) : file;
    const own = path.startsWith(SOURCES) ? path.slice(SOURCES.length) : undefined;
    if (own !== undefined && HOST.test(own)) break;
    if (own === undefined ? /[/\\]node_modules[/\\]/.test(path) : !PROGRAMS.test(own)) continue;
    places.push({ name: nameOf(called), file: shown(path, own), line: Number(line) });
  }
  return places;
}

function shown(path: string, own: string | undefined): string {
  if (own !== undefined) return relative(PACKAGE, path);
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? basename(path) : near;
}

/** `ReclaimBatch.unmap [as next]` is `unmap`. */
function nameOf(called: string): string {
  const [plain] = called.replace(/^(async |new )/, '').split(' [as ');
  return plain.slice(plain.lastIndexOf('.') + 1).replace('<anonymous>', '');
}

/** Code that does one thing for whoever calls it: what is of interest is who does. */
const SERVICES = /(^|[/\\])(spin-lock|page-table|frames|boot-user|cross-call)\.[jt]s$/;

/** The place that tells most: the innermost one that is no service routine's, or whoever called all of them. */
export function tellingPlace(places: readonly Place[]): Place | undefined {
  return places.find(({ file }) => !SERVICES.test(file)) ?? places[places.length - 1];
}

/** `tlb-flush.ts:88 range` */
export function placeText({ name, file, line }: Place): string {
  return `${basename(file)}:${line} ${name}`.trimEnd();
}
