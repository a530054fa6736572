// What a policy does to people who do nothing special: ordinary programs through the same censor.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Env, SocketAddress } from '@rozan/tunnel';
import { CHROMIUM_ARGS } from '../testing/chromium-args.ts';
import { BENIGN_ADDRESS, type BenignServers, QUIC_FILE } from './benign-servers.ts';
import { userHost } from './cell.ts';
import type { CellCensor } from './cell-censor.ts';
import type { Gate } from './gate.ts';
import { findProgram, type Programs } from './programs.ts';
import type { FalsePositives } from './scoreboard.ts';

/** One ordinary thing to do; resolves whether it worked. */
interface Activity {
  readonly name: string;
  /** Where it goes, and what a censor sees of that. */
  readonly place: SocketAddress;
  readonly port: number;
  /** TCP unless said. */
  readonly transport?: 'udp';
  run(programs: Programs, at: SocketAddress, folder: string): Promise<boolean>;
}

/** What is not on this machine. */
export interface BenignSet {
  readonly activities: readonly Activity[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
}

const NAME = 'www.example.org';
/** A site that no list names. */
const SITE_HOST = '198.51.100.80';
const PATIENCE_SECONDS = 15;

async function worked(
  programs: Programs,
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string> } = {},
): Promise<readonly string[] | null> {
  const program = programs.start(command, args, options);
  const timer = setTimeout(() => void program.stop(), PATIENCE_SECONDS * 1000);
  const code = await program.ended;
  clearTimeout(timer);
  return code === 0 ? program.lines : null;
}

async function curl(programs: Programs, at: SocketAddress, scheme: 'http' | 'https'): Promise<boolean> {
  const args = [
    '-sSk',
    '--noproxy',
    '*',
    '--max-time',
    String(PATIENCE_SECONDS),
    '--connect-to',
    `::${at.host}:${at.port}`,
  ];
  const size = ['-o', '/dev/null', '-w', '%{size_download}'];
  const lines = await worked(programs, 'curl', [...args, ...size, `${scheme}://${NAME}/bytes/1`]);
  return lines?.at(-1) === '1000000';
}

async function browse(programs: Programs, at: SocketAddress, folder: string): Promise<boolean> {
  const profile = await mkdtemp(join(folder, 'chromium-'));
  const rules = `--host-resolver-rules=MAP ${NAME}:443 ${at.host}:${at.port}, MAP * ~NOTFOUND, EXCLUDE ${at.host}`;
  const args = [
    ...CHROMIUM_ARGS,
    '--ignore-certificate-errors',
    rules,
    `--user-data-dir=${profile}`,
    '--dump-dom',
    `https://${NAME}/`,
  ];
  const lines = await worked(programs, 'chromium', args);
  await rm(profile, { recursive: true, force: true }).catch(() => {});
  return lines?.some((line) => line.includes('It works')) ?? false;
}

async function ask(programs: Programs, at: SocketAddress): Promise<boolean> {
  const args = [`@${at.host}`, '-p', String(at.port), '+short', '+tries=2', '+timeout=5', NAME, 'A'];
  const lines = await worked(programs, 'dig', args);
  return lines?.at(0) === BENIGN_ADDRESS;
}

/** A download over HTTP/3. */
async function downloadByQuic(programs: Programs, at: SocketAddress, folder: string): Promise<boolean> {
  const target = await mkdtemp(join(folder, 'quic-'));
  const options = ['--quiet', '--exit-on-all-streams-close', `--sni=${NAME}`, '--download', target];
  const place = [at.host, String(at.port), `https://${NAME}/${QUIC_FILE.name}`];
  const lines = await worked(programs, 'gtlsclient', [...options, ...place]);
  const bytes = await stat(join(target, QUIC_FILE.name)).then(
    ({ size }) => size,
    () => 0,
  );
  await rm(target, { recursive: true, force: true });
  return lines !== null && bytes === QUIC_FILE.bytes;
}

async function cloneFrom(
  programs: Programs,
  url: string,
  { env, args = [], folder }: { env: Record<string, string>; args?: readonly string[]; folder: string },
): Promise<boolean> {
  const target = await mkdtemp(join(folder, 'clone-'));
  const lines = await worked(programs, 'git', [...args, 'clone', '-q', url, join(target, 'project')], { env });
  await rm(target, { recursive: true, force: true });
  return lines !== null;
}

/** The activities that this machine has programs for. */
export function benignSet({ site, secureSite, git, ssh, names, quic }: BenignServers): BenignSet {
  const skipped: { name: string; why: string }[] = [];
  const activities: Activity[] = [];
  const add = (
    name: string,
    command: string,
    rest: Omit<Activity, 'name' | 'place'> & { readonly place: SocketAddress | undefined | null },
  ) => {
    const { place } = rest;
    if (findProgram(command) === null) skipped.push({ name, why: `not on this machine: ${command}` });
    else if (place === null || place === undefined) skipped.push({ name, why: 'its server cannot be started here' });
    else activities.push({ ...rest, name, place });
  };
  add('curl http', 'curl', { place: site, port: 80, run: (programs, at) => curl(programs, at, 'http') });
  add('curl https', 'curl', { place: secureSite, port: 443, run: (programs, at) => curl(programs, at, 'https') });
  add('Chromium', 'chromium', { place: secureSite, port: 443, run: browse });
  const env = { GIT_TERMINAL_PROMPT: '0', GIT_SSL_NO_VERIFY: '1', GIT_CONFIG_NOSYSTEM: '1' };
  add('git https', 'git', {
    place: git,
    port: 443,
    run: (programs, at, folder) => {
      const args = ['-c', `http.curloptResolve=${NAME}:${at.port}:${at.host}`];
      return cloneFrom(programs, `https://${NAME}:${at.port}/project.git`, { env, args, folder });
    },
  });
  add('git ssh', 'git', {
    place: ssh?.address,
    port: 22,
    run: (programs, at, folder) => {
      const command = ['ssh', ...(ssh?.options ?? []), '-p', String(at.port)].join(' ');
      const url = `ssh://${userInfo().username}@${at.host}:${at.port}${ssh?.repository}`;
      return cloneFrom(programs, url, { env: { ...env, GIT_SSH_COMMAND: command }, folder });
    },
  });
  add('DNS', 'dig', { place: names, port: 53, transport: 'udp', run: ask });
  add('QUIC', 'gtlsclient', { place: quic, port: 443, transport: 'udp', run: downloadByQuic });
  return { activities, skipped };
}

/** Does each thing some times under a policy, every time as another user. */
export function runBenign(
  world: { readonly env: Env; readonly programs: Programs; readonly starts: Gate; readonly folder: string },
  { set, policy, censor, times }: { set: BenignSet; policy: string; censor: CellCensor; times: number },
): Promise<FalsePositives[]> {
  return Promise.all(
    set.activities.map(async ({ name, place, port, transport, run }, kind) => {
      const tries = Array.from({ length: times }, (_, index) =>
        world.starts.run(async () => {
          const user = userHost(kind * times + index);
          const route = transport === 'udp' ? censor.datagramRouteFor(user) : censor.routeFor(user);
          const at = await route({ actual: place, seenAs: { host: SITE_HOST, port } });
          return run(world.programs, at, world.folder).catch(() => false);
        }),
      );
      const results = await Promise.all(tries);
      return { policy, activity: name, broken: { k: results.filter((isFine) => !isFine).length, n: times } };
    }),
  );
}
