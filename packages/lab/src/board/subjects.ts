import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type OwnWay, startOwnSubjects } from './own-subjects.ts';
import { startPeerSubject } from './peer-subjects.ts';
import { findProgram } from './programs.ts';
import type { Subject, SubjectWorld } from './subject.ts';

interface Needing {
  readonly needs?: readonly string[];
}

interface SubjectFile {
  readonly relayHosts: readonly string[];
  readonly ways: readonly (OwnWay & Needing)[];
  readonly adaptive: string;
  readonly peers: readonly ({ readonly name: string; readonly port: number } & Needing)[];
}

/** Subjects, and those that this machine cannot have. */
export interface Subjects {
  readonly all: readonly Subject[];
  /** Names, each with what is missing. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
}

function missing({ needs = [] }: Needing): string | null {
  const absent = needs.filter((name) => findProgram(name) === null);
  return absent.length === 0 ? null : `not on this machine: ${absent.join(', ')}`;
}

/** The table of subjects, which is data: names, what relays listen at, and what programs are needed. */
export async function readSubjects(): Promise<SubjectFile> {
  return JSON.parse(await readFile(join(import.meta.dirname, 'subjects.json'), 'utf8'));
}

/** Starts the servers of all subjects whose names `isWanted` says to; they live as long as `world.programs`. */
export async function startSubjects(
  world: SubjectWorld,
  isWanted: (name: string) => boolean,
  changes: { readonly relayHosts?: readonly string[] } = {},
): Promise<Subjects> {
  const { relayHosts, ways, adaptive, peers } = { ...(await readSubjects()), ...changes };
  const skipped: { name: string; why: string }[] = [];
  const isHere = (each: Needing & { readonly name: string }) => {
    const why = missing(each);
    if (why !== null) skipped.push({ name: each.name, why });
    return why === null;
  };
  const ownWays = ways.filter(isHere);
  const isOwnWanted = [...ownWays.map(({ name }) => name), adaptive].some(isWanted);
  const own = isOwnWanted ? await startOwnSubjects(world, ownWays, { relayHosts, adaptive }) : [];
  const wanted = peers.filter(({ name }) => isWanted(name)).filter(isHere);
  const others = await Promise.all(wanted.map((peer) => startPeerSubject(world, peer)));
  return { all: [...own.filter(({ name }) => isWanted(name)), ...others], skipped };
}
