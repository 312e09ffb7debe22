/**
 * What reports call the CPUs of a machine. The last ones may be devices, which are CPUs to hosts and schedules
 * and nobody else.
 */

/** @param processors CPUs that are no devices: the first ones */
export function cpuName(index: number, processors: number): string {
  return index < processors ? `CPU ${index}` : `device ${index - processors}`;
}

/** A text that knows CPUs only (`CPU 2`, `CPUs 0, 2`), with devices under their own names. */
export function nameDevices(text: string, processors: number): string {
  return text.replace(/\bCPUs? (\d+(?:, \d+)*)/g, (all, list: string) => {
    const indices = list.split(', ').map(Number);
    const devices = indices.filter((index) => index >= processors);
    if (devices.length === 0) return all;
    const cpus = indices.filter((index) => index < processors);
    const first = cpus.length === 0 ? [] : [`${cpus.length === 1 ? 'CPU' : 'CPUs'} ${cpus.join(', ')}`];
    return [...first, ...devices.map((index) => cpuName(index, processors))].join(', ');
  });
}
