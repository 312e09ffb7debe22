/** A plot in vega-lite's terms. */
import type { TopLevelSpec } from 'vega-lite';
import type { Axis } from './axis.ts';
import type { Curve, Plot } from './plot-data.ts';

/** The colours of Okabe and Ito (2008), which the colour-blind can tell apart too; without yellow, pale on white. */
const COLOURS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000'];
/** Viridis from its dark end to where it becomes too pale for white. */
const VIRIDIS = ['#440154', '#414487', '#2a788e', '#22a884', '#6cbf3f'];
const SHAPES = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'triangle-down',
  'triangle-right',
  'triangle-left',
];
const PUBLISHED_SHAPES = ['cross', 'diamond', 'square', 'triangle-up'];
const DASHES = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 3, 2, 3],
  [12, 4],
  [2, 5],
];

const INK = '#222222';
const FAINT = '#666666';
const PUBLISHED = '#000000';
const WIDTH = 560;
const HEIGHT = 360;

/** Everything that is drawn, as data: equal plots give equal specifications. */
export function vegaLiteSpec(plot: Plot): TopLevelSpec {
  const { curves, published, series, other } = plot;
  const hasSeries = series.entries.length > 1;
  const hasOther = other.entries.length > 1;
  const labels = [...series.entries, ...published.map(({ label }) => label)];
  const colours = [...seriesColours(plot), ...published.map(() => PUBLISHED)];
  const shapes = [
    ...series.entries.map((_, i) => SHAPES[i % SHAPES.length]),
    ...published.map((_, i) => PUBLISHED_SHAPES[i % PUBLISHED_SHAPES.length]),
  ];
  const hasLegend = hasSeries || published.length > 0;
  // A curve that nothing sets apart from others has no name to be listed by.
  const values = labels.filter((label) => label !== '');
  const title = hasSeries ? series.title : null;
  const legend = hasLegend ? { title, values, symbolSize: 90 } : null;
  const colour = {
    field: 'series',
    type: 'nominal' as const,
    scale: { domain: labels, range: colours },
    legend,
  };
  const shape = { ...colour, scale: { domain: labels, range: shapes } };
  const dash = {
    field: 'other',
    type: 'nominal' as const,
    scale: { domain: [...other.entries], range: DASHES.slice(0, other.entries.length) },
    legend: hasOther ? { title: other.title, symbolType: 'stroke', symbolSize: 300 } : null,
  };
  const x = { field: 'x', type: 'quantitative' as const, ...axisOf(plot.x, true) };
  const y = { field: 'y', type: 'quantitative' as const, ...axisOf(plot.y, false) };
  const points = curves.flatMap(valuesOf);
  const hasRange = points.some(({ low, high }) => low < high);
  const publishedValues = published.flatMap(({ label, points }) =>
    points.map((point) => ({ series: label, x: point.x, y: point.y })),
  );
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: `${plot.title}: ${plot.y.title} against ${plot.x.title}`,
    background: 'white',
    padding: 16,
    title: { text: plot.title, subtitle: [...plot.subtitle] },
    vconcat: [
      {
        width: WIDTH,
        height: HEIGHT,
        title: {
          text: plot.notes.flatMap(noteLines),
          orient: 'bottom',
          fontSize: 9,
          fontWeight: 'normal',
          color: FAINT,
          offset: 12,
        },
        layer: [
          ...(hasRange
            ? [
                {
                  data: { values: points },
                  mark: { type: 'area' as const, opacity: 0.15 },
                  encoding: {
                    ...{ x, color: colour, detail: { field: 'other' } },
                    ...{ y: { ...y, field: 'low' }, y2: { field: 'high' } },
                  },
                },
              ]
            : []),
          {
            data: { values: points },
            mark: { type: 'line' as const, strokeWidth: 2 },
            encoding: { x, y, color: colour, strokeDash: dash },
          },
          {
            data: { values: points },
            mark: { type: 'point' as const, filled: true, size: 60, opacity: 1 },
            encoding: { x, y, color: colour, shape, detail: { field: 'other' } },
          },
          ...(publishedValues.length > 0
            ? [
                {
                  data: { values: publishedValues },
                  // Small, so that a simulated point below one can be seen.
                  mark: { type: 'point' as const, filled: true, size: 32, opacity: 1 },
                  encoding: { x, y, color: colour, shape },
                },
              ]
            : []),
        ],
      },
    ],
    config: {
      font: 'sans-serif',
      title: {
        anchor: 'start',
        fontSize: 15,
        subtitleFontSize: 11,
        subtitleColor: FAINT,
        color: INK,
        offset: 14,
      },
      axis: {
        labelFontSize: 11,
        titleFontSize: 12,
        titleFontWeight: 'normal',
        titlePadding: 8,
        labelColor: INK,
        titleColor: INK,
        gridColor: '#e3e3e3',
        domainColor: '#888888',
        tickColor: '#888888',
      },
      legend: {
        labelFontSize: 11,
        titleFontSize: 11,
        labelLimit: 0,
        titleLimit: 0,
        labelColor: INK,
        titleColor: INK,
      },
      view: { stroke: null },
    },
  };
}

function valuesOf({ series, other, points }: Curve) {
  return points.map((point) => ({ series, other, ...point }));
}

function seriesColours({ series, isOrdered }: Plot): string[] {
  const count = series.entries.length;
  if (!isOrdered) return COLOURS.slice(0, count);
  return series.entries.map((_, i) => between(VIRIDIS, count === 1 ? 0 : i / (count - 1)));
}

/** A colour part of the way through a list of them, `share` from 0 to 1. */
function between(colours: readonly string[], share: number): string {
  const at = share * (colours.length - 1);
  const low = Math.min(Math.floor(at), colours.length - 2);
  const channel = (colour: string, i: number) => Number.parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mixed = [0, 1, 2].map((i) => {
    const [a, b] = [channel(colours[low], i), channel(colours[low + 1], i)];
    return Math.round(a + (b - a) * (at - low));
  });
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

function axisOf({ title, isLog, ticks, domain }: Axis, isHorizontal: boolean) {
  if (!isLog) {
    return {
      title,
      scale: { zero: !isHorizontal, nice: true },
      // Parameters are whole numbers.
      axis: { ...(isHorizontal && { tickMinStep: 1 }), grid: true, labelFlush: false },
    };
  }
  const reach = ticks && ticks.length > 1 ? [ticks[0], ticks[ticks.length - 1]] : domain;
  const ends = [Math.min(domain[0], reach[0]), Math.max(domain[1], reach[1])];
  return {
    title: `${title}, logarithmic`,
    scale: { type: 'log' as const, domain: ends, nice: false },
    axis: { ...(ticks && { values: [...ticks] }), grid: true, format: ',', labelFlush: false },
  };
}

const NOTE_COLUMNS = 110;

/** Breaks a note at blanks. */
function noteLines(note: string): string[] {
  const lines = [''];
  for (const word of note.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + 1 + word.length > NOTE_COLUMNS) lines.push(`    ${word}`);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
