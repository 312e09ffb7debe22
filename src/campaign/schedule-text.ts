/**
 * A schedule as text: choices in base 36, each with how often it is repeated, as in `0X12.1.2X3`. Unlike a replay
 * token it is not compressed: compressors of different versions write different bytes.
 */

export function scheduleText(choices: readonly number[]): string {
  const words: string[] = [];
  for (let at = 0; at < choices.length; ) {
    let end = at + 1;
    while (choices[end] === choices[at]) end++;
    const choice = choices[at].toString(36);
    // A capital letter is no digit here.
    words.push(end - at === 1 ? choice : `${choice}X${end - at}`);
    at = end;
  }
  return words.join('.');
}

/** @throws Error if it is not what `scheduleText` writes */
export function scheduleOf(text: string): number[] {
  if (text === '') return [];
  return text.split('.').flatMap((word) => {
    const match = /^([0-9a-z]+)(?:X(\d+))?$/.exec(word);
    if (!match) throw new Error(`'${word}' is no part of a schedule`);
    return Array.from({ length: Number(match[2] ?? 1) }, () => Number.parseInt(match[1], 36));
  });
}
