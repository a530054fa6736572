// The table with real packets: each policy that a packet filter can have, between two network namespaces.
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import type { CellResult } from './cell.ts';
import type { LabPolicy } from './lab-policies.ts';
import { namespacesMissing } from './namespace.ts';
import { type CurlDownload, type NamespaceWorld, startNamespaceWorld } from './namespace-run.ts';
import { type PacketPolicy, packetFormOf } from './packet-policies.ts';
import { barText } from './progress.ts';
import type { Control, Scoreboard, SubjectHeading } from './scoreboard.ts';
import { PAGE_BYTES } from './site.ts';
import { quantile } from './statistics.ts';
import type { Subject } from './subject.ts';

/** What `runPackets` is told. */
export interface PacketRun {
  readonly policies: readonly LabPolicy[];
  readonly folder: string;
  /** Fresh clients in each cell. */
  readonly sessions: number;
  readonly survivalBytes: number;
  isWanted(name: string): boolean;
  readonly signal: AbortSignal;
  onCell(cell: CellResult): void;
  onProgress(text: string): void;
}

/** What was found, without what all boards have. */
type PacketTable = Pick<Scoreboard, 'policies' | 'subjects' | 'cells' | 'controls' | 'skipped'>;

/** A browser's patience, and the time that a page takes on a slow line by itself. */
const PATIENCE_SECONDS = 20;
const OUTLAST = 1.25;
const SLOW_DOWNLOAD_SECONDS = 20;
/** Downloads that last are not sent faster than this: what they show is that they last. */
const LASTING_RATE = 100_000;
const LONG_CAP_SECONDS = 180;
/** One cell after the other: what shows whether a download lasts need not be large. */
const MOST_BYTES = 5_000_000;

function patienceOf({ allowedRate }: LabPolicy): number {
  return PATIENCE_SECONDS + (allowedRate === null ? 0 : (2.5 * PAGE_BYTES) / allowedRate);
}

/** What is downloaded to see whether it comes whole. */
function longDownload({ lastsMs, allowedRate }: LabPolicy, survivalBytes: number): { bytes: number; rate?: number } {
  if (lastsMs > 0) return { bytes: Math.round(LASTING_RATE * OUTLAST * (lastsMs / 1000)), rate: LASTING_RATE };
  return {
    bytes: allowedRate === null ? Math.min(MOST_BYTES, survivalBytes) : Math.round(allowedRate * SLOW_DOWNLOAD_SECONDS),
  };
}

interface Cell {
  readonly world: NamespaceWorld;
  readonly policy: LabPolicy;
  readonly subject: Subject;
}

/** Whether a fresh client has the page in time, and how long that took from its start. */
async function reach({ world, policy, subject }: Cell): Promise<number | null> {
  const seconds = patienceOf(policy);
  const startMs = performance.now();
  await using client = await world.startClient(subject);
  const leftSeconds = () => seconds - (performance.now() - startMs) / 1000;
  const isReady = await client.ready(AbortSignal.timeout(seconds * 1000)).then(
    () => true,
    () => false,
  );
  while (isReady && leftSeconds() > 0.1) {
    const got = await world.download(client, { bytes: PAGE_BYTES, seconds: Math.min(seconds / 2, leftSeconds()) });
    if (got.isWhole) return performance.now() - startMs;
  }
  return null;
}

async function survive({ world, policy, subject }: Cell, survivalBytes: number): Promise<CurlDownload | null> {
  await using client = await world.startClient(subject);
  const wanted = { ...longDownload(policy, survivalBytes), seconds: LONG_CAP_SECONDS };
  const signal = AbortSignal.timeout(patienceOf(policy) * 1000);
  // Awaited here, so that the client lives as long.
  return await client.ready(signal).then(
    () => world.download(client, wanted),
    () => null,
  );
}

async function runCell(cell: Cell, { sessions, survivalBytes }: PacketRun): Promise<CellResult> {
  const { world, policy, subject } = cell;
  const before = await world.acted();
  const times = await Promise.all(Array.from({ length: sessions }, () => reach(cell)));
  const reached = times.filter((ms) => ms !== null);
  const got = reached.length === 0 || survivalBytes === 0 ? null : await survive(cell, survivalBytes);
  const { bytes: wantedBytes } = longDownload(policy, survivalBytes);
  const why = got?.isWhole === false ? 'only a part came' : null;
  const untold = { longestStallSeconds: 0, connections: 0 };
  return {
    subject: subject.name,
    policy: policy.id,
    reached: { k: reached.length, n: sessions },
    bootstrapMs: { p50: quantile(reached, 0.5), p95: quantile(reached, 0.95) },
    survival: got === null ? null : { wantedBytes, ...got, ...untold, why },
    failures: reached.length === sessions ? {} : { 'the page did not come': sessions - reached.length },
    goodputShare: got === null || policy.allowedRate === null ? null : got.bytes / got.seconds / policy.allowedRate,
    reconnectsPerHour: null,
    censor: { connections: 0, acted: (await world.acted()) - before },
    probes: null,
  };
}

/** A plain download without a client: the policy has to meet it. */
async function control(world: NamespaceWorld, policy: LabPolicy, form: PacketPolicy): Promise<Control> {
  await world.enforce(form);
  const wanted = longDownload(policy, 300_000);
  const got = await world.download(null, { ...wanted, seconds: Math.min(LONG_CAP_SECONDS, patienceOf(policy)) });
  const isHit = !got.isWhole || (await world.acted()) > 0;
  return { policy: policy.id, traffic: 'curl without a client', hit: { k: isHit ? 1 : 0, n: 1 } };
}

const heading = ({ name, family, isAdaptive }: Subject): SubjectHeading => ({ name, family, isAdaptive, labels: {} });

/** Runs our subjects under the packet forms of policies. Throws a `ProgramError` (usage) where there can be no namespaces. */
export async function runPackets(run: PacketRun): Promise<PacketTable> {
  const missing = namespacesMissing();
  if (missing !== null) {
    throw new ProgramError(EXIT_CODE.usage, missing, { remedy: 'Run it as root, or without --namespaces.' });
  }
  const { folder, signal, policies, onCell, onProgress } = run;
  onProgress('starting servers between namespaces');
  await using world = await startNamespaceWorld(folder, (name) => run.isWanted(name), signal);
  const formed = policies.flatMap((policy) => {
    const form = packetFormOf(policy, world.clientHost);
    return form === null ? [] : [{ policy, form }];
  });
  const cells: CellResult[] = [];
  const controls: Control[] = [];
  const startMs = performance.now();
  for (const { policy, form } of formed) {
    controls.push(await control(world, policy, form));
    for (const subject of world.subjects) {
      signal.throwIfAborted();
      const cell = await runCell({ world, policy, subject }, run);
      // What was stopped in the middle is no result.
      signal.throwIfAborted();
      cells.push(cell);
      onCell(cell);
      onProgress(barText(cells.length / (formed.length * world.subjects.length), performance.now() - startMs));
    }
  }
  const without = policies.filter(({ id }) => !formed.some(({ policy }) => policy.id === id));
  return {
    policies: formed.map(({ policy: { id, source, hopeless }, form: { name } }) => ({ id, name, source, hopeless })),
    subjects: world.subjects.map(heading),
    cells,
    controls,
    skipped: without.map(({ id }) => ({ name: id, why: 'a packet filter cannot have it' })),
  };
}
