/**
 * Draws a plot as SVG, with vega and without a browser. The same plot gives the same bytes on every machine: widths of
 * text come from a table, not from the fonts that happen to be there.
 */
import type { Plot } from './plot-data.ts';
import { vegaLiteSpec } from './vega-lite-spec.ts';

/** @returns the document, with a line feed at its end */
export async function renderSvg(plot: Plot): Promise<string> {
  // Half a second: nobody else should wait for it.
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const { textMetrics } = vega as unknown as { textMetrics: TextMetrics };
  textMetrics.width = ({ fontSize = 11 }, text) => textWidth(String(text)) * fontSize;
  const { spec } = compile(vegaLiteSpec(plot));
  const view = new vega.View(vega.parse(spec), { renderer: 'none', logLevel: vega.Error });
  try {
    // Names of clip paths go on counting from the plot before.
    vega.resetSVGDefIds();
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

interface TextMetrics {
  width(item: { readonly fontSize?: number }, text: unknown): number;
}

/** Rough widths of a sans-serif font, as shares of its size: narrow, wide and all other characters. */
const NARROW = /[ !'(),./:;I[\]fijlrt|]/;
const WIDE = /[%@A-HJ-Zmw]/;

/** Width of a text in units of the font size. */
function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += NARROW.test(character) ? 0.3 : WIDE.test(character) ? 0.72 : 0.55;
  return width;
}
