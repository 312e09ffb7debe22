/** Tables in Markdown (GitHub Flavored Markdown, section 4.10, tables). */
import type { ColumnSpec } from './text.ts';

/**
 * Lines of a table: titles, alignment, rows. Padded, so that it can be read as text as well.
 * @param rows cells as plain text; what Markdown would take for markup is escaped
 */
export function markdownTable(
  columns: readonly Pick<ColumnSpec, 'title' | 'align'>[],
  rows: readonly (readonly string[])[],
): string[] {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) => row.map(markdownText));
  const widths = columns.map((_, i) => Math.max(3, ...cells.map((row) => row[i].length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (columns[i].align === 'left' ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = columns.map(({ align }, i) =>
    align === 'left' ? '-'.repeat(widths[i]) : `${'-'.repeat(widths[i] - 1)}:`,
  );
  return [line(cells[0]), `| ${rule.join(' | ')} |`, ...cells.slice(1).map(line)];
}

/**
 * Text that Markdown shows as it is, on one line: `_` only where it could begin or end emphasis, which it cannot
 * within a word.
 */
export function markdownText(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[\\`*[\]<>|~]/g, '\\$&')
    .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\_')
    .replace(/&(?=#?\w+;)/g, '&amp;');
}
