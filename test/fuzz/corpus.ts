import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Inputs that are kept for each target, in git: few and small, so that a run begins where the last one ended. */
const CORPUS_FOLDER = join(import.meta.dirname, 'corpus');
const FINDINGS_FOLDER = join(import.meta.dirname, 'findings');

/** The most inputs, and the longest, that are written for one target. */
const MAX_KEPT_INPUTS = 60;
const MAX_KEPT_BYTES = 2048;

/** The corpus of a target, in a stable order. */
export function readCorpus(target: string): Buffer[] {
  const folder = join(CORPUS_FOLDER, target);
  return namesIn(folder).map((name) => readFileSync(join(folder, name)));
}

/** Adds inputs that reached something new, as long as there is room. */
export function addToCorpus(target: string, inputs: readonly Buffer[]): void {
  const folder = join(CORPUS_FOLDER, target);
  mkdirSync(folder, { recursive: true });
  const present = new Set(namesIn(folder));
  for (const input of inputs.toSorted((a, b) => a.length - b.length)) {
    if (present.size >= MAX_KEPT_INPUTS) return;
    if (input.length > MAX_KEPT_BYTES) continue;
    const name = nameOf(input);
    if (!present.has(name)) writeFileSync(join(folder, name), input);
    present.add(name);
  }
}

/** Writes a finding and what it is about; returns the path of the input from the repository's root. */
export function writeFinding(target: string, input: Buffer, description: string): string {
  const folder = join(FINDINGS_FOLDER, target);
  mkdirSync(folder, { recursive: true });
  const name = nameOf(input);
  writeFileSync(join(folder, name), input);
  writeFileSync(join(folder, `${name}.txt`), `${description}\n\n${input.toString('hex')}\n`);
  return `test/fuzz/findings/${target}/${name}`;
}

function nameOf(input: Buffer): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
