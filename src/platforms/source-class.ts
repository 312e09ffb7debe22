/**
 * How far a figure of a platform can be trusted, from the words of its source: they begin with what kind it is, or
 * say where it was published.
 */

/** From the most to the least certain; `unused` and `definition` make no claim on a machine. */
export const sourceClasses = [
  'published',
  'derived',
  'calibrated',
  'estimate',
  'unverified',
  'definition',
  'unused',
] as const;
export type SourceClass = (typeof sourceClasses)[number];

/** What each class means, for whoever reads a table. */
export const sourceClassTitles: Readonly<Record<SourceClass, string>> = {
  published: 'a document, a measurement or source code says so',
  derived: 'follows from published facts, or is taken over from a similar machine',
  calibrated: 'chosen so that a published measurement comes out',
  estimate: 'a guess at its size',
  unverified: 'from memory, or without a reference',
  definition: 'set by the model, where it deviates from the machine or has units of its own',
  unused: 'the platform has nothing that it could be a figure of',
};

/** The first one that a text matches counts. */
const WORDS: readonly [RegExp, SourceClass][] = [
  [/^estimate\b/, 'estimate'],
  [/^calibrated\b/, 'calibrated'],
  [/^derived\b/, 'derived'],
  [/^(definition\b|see the deviations above)/, 'definition'],
  [/^not used\b/, 'unused'],
  [/^unverified\b/, 'unverified'],
  [/\bis an estimate\b/, 'estimate'],
];
const DOUBT = /\bfrom memory\b|\bunverified\b/;
/** The same as that of another figure, or of another platform. */
const SAME_AS = /^as ([a-z]\w*(?:\.\w+)*)(?=$|[:;,])/;
const ADAPTED = /see the deviations above|^as in \S|\btaken (for this|over)\b/;
/** What a reference has: a document's kind or number, a page or section, a file, a site, a year, a kernel. */
const REFERENCE = new RegExp(
  [
    String.raw`\bmanuals?\b|\bManual\b|\breview\b|\bdatabase\b|\breport\b|\bproduct note\b|\bpaper\b|\bmail\b|\bRFC\b|\bPATCH\b`,
    String.raw`\bpp?\. ?\d|\bDDI ?\d|\b[A-Z]{2}\d{3,}|\bvol\. ?\d|\bchapter\b|\bsection\b`,
    String.raw`[\w-]\.(com|org|net|de|jp|h|S|c|rst|md)\b|\b\w+/\w+/\w+`,
    String.raw`\b(19|20)\d\d\b|\bcommit [0-9a-f]{7,}`,
    String.raw`, \d+\.\d+\b|\bgithub\b|\b(Linux|NetBSD|FreeBSD|OpenBSD|Xen)\b|\barchitecture:`,
  ].join('|'),
);

/**
 * @param path of the figure
 * @param sources of its platform, by path
 * @returns undefined if the figure has no source
 */
export function sourceClass(
  path: string,
  sources: Readonly<Record<string, string>>,
): SourceClass | undefined {
  return classOf(path, sources, new Set());
}

function classOf(
  path: string,
  sources: Readonly<Record<string, string>>,
  seen: Set<string>,
): SourceClass | undefined {
  if (!Object.hasOwn(sources, path) || seen.has(path)) return undefined;
  seen.add(path);
  const text = sources[path];
  const word = WORDS.find(([pattern]) => pattern.test(text));
  if (word) return word[1];
  if (DOUBT.test(text)) return 'unverified';
  const same = SAME_AS.exec(text);
  const other = same && classOf(same[1].includes('.') ? same[1] : near(path, same[1]), sources, seen);
  if (other) return other;
  if (ADAPTED.test(text)) return 'derived';
  return REFERENCE.test(text) ? 'published' : 'unverified';
}

/** A name without dots is one beside the figure, or one of the whole platform. */
function near(path: string, name: string): string {
  const at = path.lastIndexOf('.');
  return at < 0 ? name : `${path.slice(0, at)}.${name}`;
}
