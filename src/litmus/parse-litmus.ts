/**
 * Reads a test in herd7's format: a header, an initial state in braces, a program in columns, a condition
 * (herd7 manual, "Test format"; `lib/splitter.mll`, `lib/stateParser.mly` of herdtools7).
 */
import type { Architecture, LitmusTest } from './ast.ts';
import { checkReferences } from './check-references.ts';
import { TokenStream } from './lexer.ts';
import { parseCode } from './parse-code.ts';
import { parseEnding } from './parse-condition.ts';
import { parseInitial } from './parse-initial.ts';
import { Source } from './source.ts';

const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map([
  ['AARCH64', 'AArch64'],
  ['X86_64', 'x86-64'],
]);

/** @throws LitmusError, and nothing else, for a text that is no test or one that flushlab cannot read */
export function parseLitmus(text: string): LitmusTest {
  const source = new Source(text);
  const { architecture, name, headers, open } = parseHeader(source);
  const close = closingBrace(source, open);
  const initial = parseInitial(new TokenStream(source, open + 1, close), architecture);
  const { threads, end } = parseCode(source, close + 1, architecture);
  checkReferences(initial, threads);
  const ending = parseEnding(new TokenStream(source, end, source.text.length), architecture, threads);
  return { architecture, name, headers, initial, threads, ...ending };
}

function parseHeader(source: Source) {
  const { text } = source;
  const first = /\S/.exec(text)?.index ?? 0;
  const title = /(\w+)[ \t]+(\S+)[ \t\r]*(?:\n|$)/y;
  title.lastIndex = first;
  const found = title.exec(text);
  if (found === null) {
    throw source.error(first, "the first line names an architecture and the test: 'AArch64 MP'");
  }
  const architecture = ARCHITECTURES.get(found[1].toUpperCase());
  if (architecture === undefined) {
    throw source.error(first, `architecture '${found[1]}' is unknown: AArch64 or X86_64`);
  }
  const headers: Record<string, string> = {};
  let offset = title.lastIndex;
  for (;;) {
    const newline = text.indexOf('\n', offset);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(offset, end);
    const setting = /^\s*(\w+)\s*=([^\n]*)$/.exec(line);
    const brace = line.search(/\{/);
    if (setting !== null) headers[setting[1]] = setting[2].trim();
    else if (brace >= 0 && !line.trimStart().startsWith('"')) {
      return { architecture, name: found[2].replace(/\.litmus$/, ''), headers, open: offset + brace };
    }
    if (newline < 0) throw source.error(first, "the test has no initial state: write one in braces, '{ }'");
    offset = newline + 1;
  }
}

/** Arrays have braces of their own. */
function closingBrace(source: Source, open: number): number {
  const { text } = source;
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  throw source.error(open, "the initial state is not closed: end it with '}'");
}
