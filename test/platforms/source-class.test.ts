import { describe, expect, it } from 'vitest';
import { platforms } from '../../src/platforms/index.ts';
import { sourceClass, sourceClasses, sourceClassTitles } from '../../src/platforms/source-class.ts';

describe('the kind of a source', () => {
  it.each([
    ['ARM926EJ-S technical reference manual, ARM DDI 0198D, 4.1: four', 'published'],
    ['Linux arch/arm/mm/cache-v6.S: lines of 32 bytes', 'published'],
    ['7-cpu.com/cpu/Cortex-A9.html (Exynos 4210, 1.2 GHz): 23 cycles', 'published'],
    ['47 ns on Graviton2: github nviennot/core-to-core-latency README', 'published'],
    ['Stallings, Computer Organization and Architecture, 18.5 (ARM11 MPCore): 1 to 4', 'published'],
    ['derived from Linux arch/sparc/mm/srmmu.c: switch_mm empties the instruction cache', 'derived'],
    ['half of the 6 MB, 12 ways in a CPU-Z report of an i5-4570; see the deviations above', 'derived'],
    ['as in r4000: the same pipeline at half the clock', 'derived'],
    ['calibrated on the curve: a flush takes 1508 ns', 'calibrated'],
    ['estimate: no document found', 'estimate'],
    [
      'Linux arch/sparc/include/asm/ross.h: a write buffer can be enabled; its size is an estimate',
      'estimate',
    ],
    ['unverified for N1: FEAT_TTCNP came with Armv8.2', 'unverified'],
    ['Linux smp_call_function: no global lock, from memory', 'unverified'],
    ['the sun4c architecture has one', 'unverified'],
    ['definition: one unit of work is one cycle', 'definition'],
    ['see the deviations above: 4 on the machine', 'definition'],
    ['not used: one CPU', 'unused'],
  ])('%j is %s', (text, kind) => {
    expect(sourceClass('costs.x', { 'costs.x': text })).toBe(kind);
  });

  it('is that of the figure which it is the same as', () => {
    const sources = {
      'l1d.ways': 'estimate: four',
      'l1i.ways': 'as l1d.ways',
      'l1d.sizeBytes': 'as ways: the same',
      'mmu.a': 'as mmu.b',
      'mmu.b': 'as mmu.a',
    };
    expect(sourceClass('l1i.ways', sources)).toBe('estimate');
    expect(sourceClass('l1d.sizeBytes', sources)).toBe('estimate');
    // Nobody says anything.
    expect(sourceClass('mmu.a', sources)).toBe('unverified');
    expect(sourceClass('mmu.c', sources)).toBeUndefined();
  });
});

describe.each(Object.values(platforms))('sources of $name', ({ sources }) => {
  it('are each of one kind, which the words bear out', () => {
    for (const [path, text] of Object.entries(sources)) {
      const kind = sourceClass(path, sources);
      expect(sourceClasses, `${path}: ${text}`).toContain(kind);
      expect(sourceClassTitles[kind!]).not.toBe('');
      // A doubt is never published, and what names its kind is of that kind.
      if (/\bunverified\b|from memory|^estimate/.test(text))
        expect(kind, `${path}: ${text}`).not.toBe('published');
      const [named] = /^(derived|calibrated|estimate|unverified|definition)\b/.exec(text) ?? [];
      if (named !== undefined) expect(kind).toBe(named);
    }
  });
});
