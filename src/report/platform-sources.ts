/** Every figure of a platform with its unit and its source. */
import type { Platform } from '../machine/platform.ts';
import {
  type SourceClass,
  sourceClass,
  sourceClasses,
  sourceClassTitles,
} from '../platforms/source-class.ts';
import { markdownTable, markdownText } from './markdown-table.ts';
import { type ColumnSpec, paint, plural, type Style, table, wrap } from './text.ts';

/** One figure. */
export interface Figure {
  /** `costs.l1HitCycles` */
  readonly path: string;
  readonly value: string;
  /** Empty for a choice, and for a number without one. */
  readonly unit: string;
  /** Undefined if there is no source of its own. */
  readonly source: string | undefined;
  readonly sourceClass: SourceClass | undefined;
}

/** Words about the platform, not figures. */
const WORDS = ['name', 'title', 'sources'];
const UNITS: readonly [RegExp, string][] = [
  [/Cycles$/, 'cycles'],
  [/Bytes$/, 'bytes'],
  [/MHz$/, 'MHz'],
  [/Bits$/, 'bits'],
  [/Pages$/, 'pages'],
  [/^(entries|.*Entries)$/, 'entries'],
  [/^ways$/, 'ways'],
  [/Cpus$/, 'CPUs'],
];
const NO_SOURCE = 'without a source of its own';

/** All figures, in the order of their paths. */
export function figuresOf(platform: Platform): Figure[] {
  const leaves = Object.entries(platform)
    .filter(([key]) => !WORDS.includes(key))
    .flatMap(([key, value]) => leavesOf(key, value));
  const { sources } = platform;
  return leaves
    .map(([path, value]) => {
      const cited = citing(path, sources);
      return {
        path,
        value: valueText(value),
        unit: typeof value === 'number' ? unitOf(path) : '',
        source: cited === undefined ? undefined : cited === path ? sources[path] : `with ${cited}`,
        sourceClass: cited === undefined ? undefined : sourceClass(cited, sources),
      };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** `97 figures: 40 published, 12 derived, ...` */
export function sourcesSummary(figures: readonly Figure[]): string {
  const counts = countsOf(figures);
  const parts = sourceClasses.filter((name) => counts[name] > 0).map((name) => `${counts[name]} ${name}`);
  if (counts.none > 0) parts.push(`${counts.none} ${NO_SOURCE}`);
  return `${plural(figures.length, 'figure')}: ${parts.join(', ')}`;
}

const COLUMNS: readonly ColumnSpec[] = [
  { title: 'figure', align: 'left' },
  { title: 'value', align: 'right' },
  { title: 'unit', align: 'left' },
  { title: 'kind', align: 'left' },
  { title: 'source', align: 'left' },
];

export function sourcesText(platform: Platform, style: Style): string {
  const figures = figuresOf(platform);
  const rows = figures.map((figure) => [
    figure.path,
    figure.value,
    figure.unit,
    figure.sourceClass ?? '-',
    figure.source ?? '',
  ]);
  const [head, ...lines] = table(COLUMNS, rows);
  const used = new Set(figures.flatMap((figure) => figure.sourceClass ?? []));
  return [
    `${platform.name}: ${platform.title}`,
    sourcesSummary(figures),
    '',
    paint(style, 'bold', head),
    ...lines,
    '',
    ...sourceClasses
      .filter((name) => used.has(name))
      .flatMap((name) => wrap(`${name}: ${sourceClassTitles[name]}`, '', '  ')),
  ].join('\n');
}

export function sourcesMarkdown(platform: Platform): string {
  const figures = figuresOf(platform);
  return [
    `# ${markdownText(`${platform.name}: ${platform.title}`)}`,
    '',
    markdownText(`${sourcesSummary(figures)}.`),
    '',
    ...markdownTable(
      COLUMNS,
      figures.map((figure) => [
        figure.path,
        figure.value,
        figure.unit,
        figure.sourceClass ?? '',
        figure.source ?? '',
      ]),
    ),
    '',
    ...sourceClasses.map((name) => `- ${name}: ${markdownText(sourceClassTitles[name])}`),
  ].join('\n');
}

/** How many figures of each kind each platform has. @param asMarkdown or as text */
export function sourcesOverview(platforms: readonly Platform[], asMarkdown: boolean): string {
  const columns: ColumnSpec[] = [
    { title: 'platform', align: 'left' },
    ...['figures', ...sourceClasses, 'no source'].map((title) => ({ title, align: 'right' as const })),
  ];
  const rows = platforms.map((platform) => {
    const figures = figuresOf(platform);
    const counts = countsOf(figures);
    return [platform.name, figures.length, ...sourceClasses.map((name) => counts[name]), counts.none].map(
      String,
    );
  });
  return (asMarkdown ? markdownTable(columns, rows) : table(columns, rows)).join('\n');
}

function countsOf(figures: readonly Figure[]): Record<SourceClass | 'none', number> {
  const counts = { none: 0 } as Record<SourceClass | 'none', number>;
  for (const name of sourceClasses) counts[name] = 0;
  for (const figure of figures) counts[figure.sourceClass ?? 'none']++;
  return counts;
}

/** Plain objects are taken apart, lists are values. */
function leavesOf(path: string, value: unknown): [string, unknown][] {
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(`${path}.${key}`, inner));
}

/** The figure whose source speaks of this one: its own, or for ways that of the size if that names them. */
function citing(path: string, sources: Readonly<Record<string, string>>): string | undefined {
  if (Object.hasOwn(sources, path)) return path;
  const [, parent] = /^(.*\.)ways$/.exec(path) ?? [];
  if (parent === undefined) return undefined;
  const size = ['sizeBytes', 'entries']
    .map((name) => parent + name)
    .find((one) => Object.hasOwn(sources, one));
  return size !== undefined && /\bways?\b|associative|direct mapped/.test(sources[size]) ? size : undefined;
}

/** Lists in short: words with commas between, and of table levels the index bits. */
function valueText(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  const levels: { readonly bits?: unknown }[] = value;
  if (levels.every((one) => typeof one === 'object' && one?.bits !== undefined)) {
    return levels.map(({ bits }) => bits).join('+');
  }
  return value.map((one) => (typeof one === 'object' ? JSON.stringify(one) : String(one))).join(', ');
}

function unitOf(path: string): string {
  const name = path.slice(path.lastIndexOf('.') + 1);
  return UNITS.find(([pattern]) => pattern.test(name))?.[1] ?? '';
}
