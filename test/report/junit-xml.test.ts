import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { junitXml, suitesOf } from '../../src/report/junit-xml.ts';
import { parseXml } from '../support/xml.ts';

/** What XML 1.0 has no way to write. */
const UNSAYABLE = /[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

describe('suites', () => {
  it('stand in the order in which they come up, each with all of its tests in theirs', () => {
    const one = (name: string) => ({ name, className: 'c' });
    const cases = ['b1', 'a1', 'b2', 'a2'].map((name) => [name[0], one(name)] as const);
    const properties = { seed: 7 };
    expect(suitesOf(cases, properties)).toEqual([
      { name: 'b', cases: [one('b1'), one('b2')], properties },
      { name: 'a', cases: [one('a1'), one('a2')], properties },
    ]);
    expect(suitesOf([], properties)).toEqual([]);
  });
});

describe('JUnit XML', () => {
  const text = junitXml([
    {
      name: 'one',
      properties: { seed: 7 },
      cases: [
        { name: 'passes', className: 'a.b', seconds: 0.25 },
        {
          name: 'fails',
          className: 'a.b',
          failure: { message: 'x < y', type: 'stale-data', text: 'why & how' },
        },
        { name: 'breaks', className: 'a.b', error: { message: 'thrown', type: 'error' }, seconds: 1e-7 },
      ],
    },
    { name: 'two', cases: [{ name: 'left out', className: 'c', skipped: 'means nothing', output: 'said' }] },
  ]);

  it('has the elements and attributes that readers know', () => {
    expect(text).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" errors="1" skipped="1" time="0.250">
  <testsuite name="one" tests="3" failures="1" errors="1" skipped="0" time="0.250">
    <properties>
      <property name="seed" value="7"/>
    </properties>
    <testcase name="passes" classname="a.b" time="0.250"/>
    <testcase name="fails" classname="a.b">
      <failure message="x &lt; y" type="stale-data">why &amp; how</failure>
    </testcase>
    <testcase name="breaks" classname="a.b" time="0.000">
      <error message="thrown" type="error"/>
    </testcase>
  </testsuite>
  <testsuite name="two" tests="1" failures="0" errors="0" skipped="1">
    <testcase name="left out" classname="c">
      <skipped message="means nothing"/>
      <system-out>said</system-out>
    </testcase>
  </testsuite>
</testsuites>
`);
  });

  it('brings any text through a parser, without what XML cannot say', () => {
    const unit = fc.constantFrom(
      'a',
      '<',
      '>',
      '&',
      '"',
      "'",
      '\n',
      '\t',
      '\r',
      ' ',
      ']]>',
      '\u0000',
      '\u001b',
      '\ufffe',
      'é',
      '🙂',
    );
    fc.assert(
      fc.property(fc.string({ unit }), fc.string({ unit }), (message, output) => {
        const root = parseXml(
          junitXml([
            {
              name: 's',
              cases: [{ name: 'c', className: 'k', failure: { message, type: 't', text: output } }],
            },
          ]),
        );
        const [failure] = root.children[0].children[0].children;
        const sayable = (one: string) => one.split(UNSAYABLE).join('');
        expect(failure.attributes.message).toBe(sayable(message));
        expect(failure.text).toBe(sayable(output));
      }),
    );
  });

  it('replaces half a character', () => {
    expect(junitXml([{ name: '\ud83d!', cases: [] }])).toContain('name="\ufffd!"');
  });
});
