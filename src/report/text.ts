/** Plain text: aligned tables, wrapped paragraphs, numbers, and the few colours. */

/** `2 CPUs`, `2 CPUs and 1 device`: the last `devices` of `cpus` are those. */
export function cpusText(cpus: number, devices = 0): string {
  const processors = plural(cpus - devices, 'CPU');
  return devices === 0 ? processors : `${processors} and ${plural(devices, 'device')}`;
}

/** Width that every text report fits into, columns. */
export const WIDTH = 100;

export interface Style {
  readonly colour: boolean;
}

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** Text in a colour, if the style has colours. */
export function paint(style: Style, colour: keyof typeof CODES, text: string): string {
  return style.colour ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}

/** `1 run`, `2 runs`. @param many plural, if it is not the singular with an s */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${thousands(count)} ${count === 1 ? one : many}`;
}

/** A whole number with commas. */
export function thousands(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** The same, or `-` where there is none. */
export function thousandsOrNone(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : thousands(value);
}

/** Two digits of a percentage, or all of it. */
export function shareText(share: number): string {
  return share === 1 ? 'all' : `${Number((share * 100).toPrecision(2))} %`;
}

export interface ColumnSpec {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** Blanks before the column; 2 unless told. */
  readonly gap?: number;
}

/** Lines of a table: a line of titles, then the rows. No line ends in blanks. */
export function table(columns: readonly ColumnSpec[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => {
        const { align, gap = 2 } = columns[i];
        const padded = align === 'left' ? cell.padEnd(widths[i]) : cell.padStart(widths[i]);
        return (i === 0 ? '' : ' '.repeat(gap)) + padded;
      })
      .join('')
      .trimEnd();
  return [columns.map(({ title }) => title), ...rows].map(line);
}

/** A table below something: all of it two blanks in, the line of titles in bold. */
export function indentTable([titles, ...lines]: readonly string[], style: Style): string[] {
  return [paint(style, 'bold', `  ${titles}`), ...lines.map((line) => `  ${line}`)];
}

/** Breaks text at blanks into lines of at most `width`, the first after `first`, the others after `rest`. */
export function wrap(text: string, first = '', rest = first, width = WIDTH): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of text.split(' ')) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = rest;
      isEmpty = true;
    }
    line += (isEmpty ? '' : ' ') + word;
    isEmpty = false;
  }
  return [...lines, line];
}

/** Wraps text after a label in a column of its own. */
export function labelled(label: string, text: string, indent = 2, labelWidth = 9): string[] {
  const start = ' '.repeat(indent);
  return wrap(text, start + label.padEnd(labelWidth), start + ' '.repeat(labelWidth));
}

/** A line to paste after its label: never broken, however long it is. */
export function pasted(label: string, command: string): string {
  return `  ${label.padEnd(9)}${command}`;
}
