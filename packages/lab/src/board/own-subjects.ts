// Our own client and relay, as the programs that users have, one way at a time and all at once.
import { join } from 'node:path';
import { parseHostPort } from '@rozan/protocol';
import { createEntryLink, openRelayFolder } from '@rozan/relay';
import { type SocketAddress, viaProxy } from '@rozan/tunnel';
import type { Programs } from './programs.ts';
import type { ClientEvent, Route, Subject, SubjectClient, SubjectWorld } from './subject.ts';

type RelayConfig = Awaited<ReturnType<typeof openRelayFolder>>['config'];

/** A way to listen, from `subjects.json`. */
export interface OwnWay {
  readonly name: string;
  readonly transport: string;
  readonly options: string;
  /** What a censor sees. */
  readonly port: number;
}

interface OwnRelay {
  readonly folder: string;
  readonly config: RelayConfig;
  /** Each by what the relay listens at in the same place of its list. */
  readonly ways: readonly OwnWay[];
  /** The host that a censor sees. */
  readonly host: string;
}

const READY_MS = 30_000;
/** `relay init` picks free ports, which anybody may take before the relay listens. */
const RELAY_TRIES = 4;
const EVENT_LINE = /^\{.*"event":/;

/** Starts a relay with all ways, as a program of its own; once more when another program has taken a port in the meantime. */
async function startOwnRelay(
  world: SubjectWorld,
  { ways, host }: { readonly ways: readonly OwnWay[]; readonly host: string },
  triesLeft = RELAY_TRIES,
): Promise<OwnRelay> {
  const { programs, serverHost, site } = world;
  const folder = join(world.folder, `relay-${host}-${triesLeft}`);
  const listen = ways.flatMap(({ transport, options, port }) => [
    '--listen',
    `${transport}=${serverHost}:${world.usesSeenPorts === true ? port : 0}${options === '' ? '' : `,${options}`}`,
  ]);
  const init = programs.startRozan(['relay', 'init', '--data', folder, ...listen]);
  if ((await init.ended) !== 0) throw new Error(`relay init: ${init.lines.join(' | ')}`);
  const opened = await openRelayFolder(folder);
  const { config } = opened;
  opened.close();
  const allow = ['--egress-allow', `${site.host}/32:${site.port}`];
  const args = ['relay', '--data', folder, '--workers', '1', '--metrics', 'off', '--json', ...allow];
  try {
    await programs.startRozan(args).said(/"event":"ready"/, AbortSignal.timeout(READY_MS));
  } catch (cause) {
    const isTaken = cause instanceof Error && cause.message.includes('EADDRINUSE');
    if (!isTaken || triesLeft <= 1) throw cause;
    return startOwnRelay(world, { ways, host }, triesLeft - 1);
  }
  return { folder, config, ways, host };
}

/** Makes relays siblings of each other, as those of a real network are; between them no censor stands. */
async function makeSiblings({ programs }: SubjectWorld, relays: readonly OwnRelay[]): Promise<void> {
  const pairs = relays.flatMap((relay) => relays.filter((other) => other !== relay).map((other) => ({ relay, other })));
  for (const { relay, other } of pairs) {
    const input = createEntryLink({ ...other.config, addresses: [] }, 'default', Date.now());
    const add = programs.startRozan(['relay', 'siblings', 'add', '-', '--data', relay.folder], { input });
    if ((await add.ended) !== 0) throw new Error(`relay siblings add: ${add.lines.join(' | ')}`);
  }
}

/** An entry for one user, signed by the relay: some of its ways, at the addresses that `route` gives. */
async function entryFor({ config, host, ways }: OwnRelay, chosen: readonly OwnWay[], route: Route): Promise<string> {
  const places = config.listen.flatMap((place, index) => {
    const way = ways[index];
    return way !== undefined && chosen.includes(way) ? [{ place, way }] : [];
  });
  const routed = places.map(async ({ place: { transport, address }, way: { port } }) => {
    return { transport, address: await route({ actual: address, seenAs: { host, port } }) };
  });
  const listen = places.map(({ place }) => place);
  return createEntryLink({ ...config, listen, addresses: await Promise.all(routed) }, 'default', Date.now());
}

function parseEvent(line: string): ClientEvent[] {
  if (!EVENT_LINE.test(line)) return [];
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null || !('event' in value)) return [];
  return [{ ...value, event: String(value.event) }];
}

/** Starts a client with these entries. */
export function startOwnClient(world: SubjectWorld, programs: Programs, links: readonly string[]): SubjectClient {
  const ports = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const program = programs.startRozan(['client', '--entry', '-', '--json', ...ports], { input: links.join('\n') });
  let socks: SocketAddress | null = null;
  const ready = () => {
    if (socks === null) throw new Error('the client is not ready');
    return socks;
  };
  return {
    pid: program.pid,
    ready: async (signal) => {
      const [, place = ''] = await program.said(/"event":"ready".*"socks":"([^"]+)"/, signal);
      socks = parseHostPort(place);
    },
    socks: ready,
    connect: (signal) => {
      const proxy = { kind: 'socks5', ...ready(), credentials: null } as const;
      return viaProxy(world.env.network, proxy).dial(world.site, { signal });
    },
    onEvent: (listener) => program.onLine((line) => parseEvent(line).forEach(listener)),
    [Symbol.asyncDispose]: () => program.stop(),
  };
}

/** Starts the relays, and gives a subject for each way and one that has them all. */
export async function startOwnSubjects(
  world: SubjectWorld,
  ways: readonly OwnWay[],
  options: { readonly relayHosts: readonly string[]; readonly adaptive: string },
): Promise<Subject[]> {
  const relays = await Promise.all(options.relayHosts.map((host) => startOwnRelay(world, { ways, host })));
  const [first] = relays;
  if (first === undefined) throw new Error('a relay is needed');
  await makeSiblings(world, relays);
  const subject = (name: string, chosen: readonly OwnWay[], used: readonly OwnRelay[]): Subject => ({
    name,
    family: 'ours',
    isAdaptive: chosen.length > 1,
    startClient: async (programs, route) => {
      const links = await Promise.all(used.map((relay) => entryFor(relay, chosen, route)));
      return startOwnClient(world, programs, links);
    },
  });
  return [...ways.map((way) => subject(way.name, [way], [first])), subject(options.adaptive, ways, relays)];
}
