/**
 * JUnit XML as CI systems read it: the common part of Jenkins' schema (jenkinsci/xunit-plugin, junit-10.xsd) and of
 * GitLab's reader (docs, ci/testing/unit_test_reports).
 */

/** One test. Passed, unless it says otherwise. */
export interface JUnitCase {
  readonly name: string;
  /** What it belongs to, with dots between: CI systems show it as a tree. */
  readonly className: string;
  /** Omitted where times would make equal results differ. */
  readonly seconds?: number;
  /** Not as expected. */
  readonly failure?: JUnitMessage;
  /** Could not be carried out. */
  readonly error?: JUnitMessage;
  /** Not carried out, with the reason. */
  readonly skipped?: string;
  /** Printed below the result. */
  readonly output?: string;
}

interface JUnitMessage {
  /** One line. */
  readonly message: string;
  /** Kind of failure, such as `stale-data`. */
  readonly type: string;
  /** The whole story. */
  readonly text?: string;
}

export interface JUnitSuite {
  readonly name: string;
  readonly cases: readonly JUnitCase[];
  /** Settings that the results depend on: seed, host, version. */
  readonly properties?: Readonly<Record<string, string | number>>;
}

/** A suite for each name, in the order in which they first come up; all have the same properties. */
export function suitesOf(
  cases: Iterable<readonly [suite: string, one: JUnitCase]>,
  properties: NonNullable<JUnitSuite['properties']>,
): JUnitSuite[] {
  const suites = new Map<string, JUnitCase[]>();
  for (const [name, one] of cases) {
    const known = suites.get(name);
    if (known) known.push(one);
    else suites.set(name, [one]);
  }
  return [...suites].map(([name, own]) => ({ name, cases: own, properties }));
}

/** A whole document, with a line feed at its end. The same suites give the same bytes. */
export function junitXml(suites: readonly JUnitSuite[]): string {
  const all = suites.flatMap(({ cases }) => cases);
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites${attributes(counts(all))}>`];
  for (const suite of suites) lines.push(...suiteLines(suite));
  lines.push('</testsuites>');
  return `${lines.join('\n')}\n`;
}

function suiteLines({ name, cases, properties }: JUnitSuite): string[] {
  const lines = [`  <testsuite${attributes({ name, ...counts(cases) })}>`];
  if (properties && Object.keys(properties).length > 0) {
    lines.push('    <properties>');
    for (const [key, value] of Object.entries(properties)) {
      lines.push(`      <property${attributes({ name: key, value })}/>`);
    }
    lines.push('    </properties>');
  }
  for (const one of cases) lines.push(...caseLines(one));
  return [...lines, '  </testsuite>'];
}

function caseLines({ name, className, seconds, failure, error, skipped, output }: JUnitCase): string[] {
  const head = `    <testcase${attributes({ name, classname: className, time: seconds === undefined ? undefined : timeText(seconds) })}`;
  const body: string[] = [];
  if (failure) body.push(messageLine('failure', failure));
  if (error) body.push(messageLine('error', error));
  if (skipped !== undefined) body.push(`      <skipped${attributes({ message: skipped })}/>`);
  if (output !== undefined) body.push(`      <system-out>${escapeText(output)}</system-out>`);
  return body.length === 0 ? [`${head}/>`] : [`${head}>`, ...body, '    </testcase>'];
}

function messageLine(tag: string, { message, type, text }: JUnitMessage): string {
  const start = `      <${tag}${attributes({ message, type })}`;
  return text === undefined ? `${start}/>` : `${start}>${escapeText(text)}</${tag}>`;
}

function counts(cases: readonly JUnitCase[]) {
  const times = cases.flatMap(({ seconds }) => (seconds === undefined ? [] : [seconds]));
  const has = (key: 'failure' | 'error' | 'skipped') => cases.filter((one) => one[key] !== undefined).length;
  return {
    tests: cases.length,
    failures: has('failure'),
    errors: has('error'),
    skipped: has('skipped'),
    time: times.length === 0 ? undefined : timeText(times.reduce((sum, one) => sum + one, 0)),
  };
}

/** Seconds without exponent, which xs:decimal does not know. */
function timeText(seconds: number): string {
  return seconds.toFixed(3);
}

function attributes(values: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(values)
    .map(([key, value]) => (value === undefined ? '' : ` ${key}="${escapeAttribute(String(value))}"`))
    .join('');
}

/** A parser turns line feeds and tabs in an attribute into blanks unless they are references (XML 1.0, 3.3.3). */
function escapeAttribute(text: string): string {
  return escapeText(text)
    .replaceAll('"', '&quot;')
    .replace(/[\t\n]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Escapes text and leaves out what XML 1.0 (section 2.2, Char) has no way to write; a lone surrogate is U+FFFD. */
function escapeText(text: string): string {
  return (
    text
      .replace(/\p{Surrogate}/gu, '\ufffd')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      // A parser reads a bare carriage return as a line feed (XML 1.0, 2.11).
      .replaceAll('\r', '&#13;')
  );
}
