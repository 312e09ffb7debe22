/** flushlab new: a scenario to start from, in a file of the user's own. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../program/import-module.ts';
import { UsageError } from './errors.ts';
import { quoted } from './options.ts';
import { print } from './terminal.ts';

const TEMPLATE = 'my-race';

export function newCommand(): Command {
  return new Command('new')
    .description('write a scenario of your own to start from: a small race, right and wrong')
    .argument('<name>', 'what it is called, such as my-race; the file is NAME.ts')
    .option('--dir <folder>', 'where to write it; made if there is none', '.')
    .action((name: string, { dir }: { dir: string }) => write(name, dir));
}

function write(name: string, dir: string): void {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    const folder = /[/\\]/.test(name) ? ', and --dir for the folder' : '';
    throw new UsageError(
      `new ${name}: use lower-case letters, digits and single hyphens, such as ${TEMPLATE}${folder}`,
    );
  }
  const path = join(dir, `${name}.ts`);
  const template = readFileSync(new URL(`templates/${TEMPLATE}.ts`, packageRoot), 'utf8');
  if (existsSync(path)) {
    throw new UsageError(`${path}: is there already: use another name, or --dir for another folder`);
  }
  try {
    mkdirSync(dir, { recursive: true });
    // Never over a file that has come in between.
    writeFileSync(path, template.replaceAll(TEMPLATE, name), { flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`${path}: cannot be written (${code ?? message}): choose another folder with --dir`);
  }
  print(nextSteps(path));
}

function nextSteps(path: string): string {
  // Without ./ it could be the name of a scenario.
  const file = quoted(/^[./\\]|^[a-z]:/i.test(path) ? path : `./${path}`);
  const commands = [
    { line: `npx flushlab run ${file} --variant no-flush --seed 1`, what: 'the bug: a finding, explained' },
    { line: `npx flushlab run ${file} --variant flush --seed 1`, what: 'the same with the flush' },
    { line: `npx flushlab stress ${file}`, what: 'both, many seeds' },
  ];
  const width = Math.max(...commands.map(({ line }) => line.length));
  return [
    `${path}: two CPUs, one page, and a flush that can be left out. Next:`,
    '',
    ...commands.map(({ line, what }) => `  ${line.padEnd(width)}  # ${what}`),
  ].join('\n');
}
