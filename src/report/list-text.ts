/** What there is, as text. */
import type { Platform } from '../machine/platform.ts';
import type { ParameterSpec, Scenario, Variant } from '../scenarios/scenario.ts';
import { type ColumnSpec, paint, type Style, table, wrap } from './text.ts';

const left = (...titles: string[]): ColumnSpec[] => titles.map((title) => ({ title, align: 'left' }));
/** Longer lists of values are only counted. */
const MAX_VALUES = 6;

/** Scenarios that belong together. */
interface ScenarioGroup {
  readonly title: string;
  readonly scenarios: readonly Scenario[];
}

/** A line a scenario and a line a platform. */
export function overviewText(
  groups: readonly ScenarioGroup[],
  platforms: readonly Platform[],
  style: Style,
): string {
  const block = (title: string, lines: readonly string[]) => [paint(style, 'bold', title), ...lines];
  const rows = platforms.map(({ name, title, maxCpus }) => [name, `1-${maxCpus}`, title]);
  const blocks = groups.map(({ title, scenarios }) =>
    block(
      title,
      broken(
        indented(
          table(
            left('scenario', 'variants', 'what it is about'),
            scenarios.map((s) => [s.name, String(s.variants.length), s.title]),
          ),
        ),
      ),
    ),
  );
  blocks.push(block('platforms', broken(indented(table(left('name', 'CPUs', 'machine'), rows)))));
  blocks.push(['flushlab list SCENARIO: its variants with what each must show, its parameters and states']);
  return blocks.map((lines) => lines.join('\n')).join('\n\n');
}

/** All that scenarios say of themselves. */
export function listText(scenarios: readonly Scenario[], style: Style): string {
  return scenarios.map((scenario) => scenarioText(scenario, style).join('\n')).join('\n\n');
}

function scenarioText(scenario: Scenario, style: Style): string[] {
  const variants = scenario.variants.map((v) => [v.name, expectation(v), v.title]);
  const parameters = Object.entries(scenario.parameters).map(([name, spec]) => [
    name,
    String(spec.default),
    range(spec),
    spec.title,
  ]);
  const states = Object.entries(scenario.reachable ?? {}).map(([name, { title, variants }]) => [
    name,
    variants?.join(', ') ?? 'all',
    title,
  ]);
  const [first, ...rest] = wrap(`${scenario.name}: ${scenario.title}`, '', '  ');
  return [
    paint(style, 'bold', first),
    ...rest,
    ...wrap(`source: ${scenario.source}`, '  ', '    '),
    '',
    ...broken(indented(table(left('variant', 'must show', 'what it does'), variants))),
    ...(parameters.length > 0
      ? ['', ...broken(indented(table(left('parameter', 'default', 'range', 'meaning'), parameters)))]
      : []),
    ...(states.length > 0
      ? ['', ...broken(indented(table(left('state', 'in', 'must be reachable'), states)))]
      : []),
  ];
}

function expectation({ expect }: Variant): string {
  return expect === 'clean' ? 'nothing' : expect.join(' or ');
}

function range({ values, min, max }: ParameterSpec): string {
  if (values && values.length > MAX_VALUES) return `${values.length} names, see --json`;
  return values ? values.join(', ') : `${min}-${max}`;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** Breaks lines of a table that are too long, keeping the last column where it starts. */
function broken(lines: readonly string[]): string[] {
  const titles = lines[0];
  const start = titles.lastIndexOf('  ') + 2;
  return lines.flatMap((line) => wrap(line.slice(start), line.slice(0, start), ' '.repeat(start)));
}
