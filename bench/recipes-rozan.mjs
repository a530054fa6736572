// Recipes (see recipes.mjs) for this repository's own client and relay, started by the command line that users have.
import { existsSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freePort, HOST } from './launch.mjs';

const COMMAND = fileURLToPath(new URL('../bin/rozan.mjs', import.meta.url));
const READY = /^\{.*"event":"ready".*\}$/m;

/**
 * Where Bun is: what BUN names, or what an npm that was told to install it has put into node_modules. Throws, with what to do, if it is
 * not there: nothing of ours depends on it.
 */
function findBun() {
  const installed = fileURLToPath(new URL('../node_modules/.bin/bun', import.meta.url));
  const path = process.env.BUN ?? installed;
  if (existsSync(path)) return path;
  throw new Error(
    'skipped, as Bun is not here. Get it with `npm install --prefix FOLDER @oven/bun-linux-x64` (the package is named after the platform) ' +
      'and name it in BUN: BUN=FOLDER/node_modules/@oven/bun-linux-x64/bin/bun',
  );
}

/** Runs the command to its end, with its standard output in a private file; returns what it wrote. */
async function runRozan(launch, name, args) {
  const output = launch.file(name, '');
  await launch.run(process.execPath, [COMMAND, ...args], { stdio: ['ignore', openSync(output, 'a'), 'inherit'] });
  return readFileSync(output, 'utf8');
}

/** Starts one of the programs and waits until it says that it is ready; returns what it said. */
async function startRozan(launch, name, args, runtime = process.execPath) {
  launch.start(name, runtime, [COMMAND, ...args]);
  const [line] = await launch.said(name, READY);
  return JSON.parse(line);
}

/** A relay and a client over one transport, on this Node unless told otherwise; the entry names the port that `link` gives, so that a cutter can stand between. */
const rozan =
  (transport, findRuntime = () => process.execPath, options = '') =>
  async ({ launch, link }) => {
    const runtime = findRuntime();
    const port = await freePort();
    const relayData = launch.file('relay-data');
    const printed = await runRozan(launch, 'init.out', [
      ...['relay', 'init', '--data', relayData],
      ...['--listen', `${transport}=${HOST}:${port}${options}`],
      ...['--address', `${transport}=${HOST}:${await link(port)}`],
    ]);
    const [shareLink] = /rozan:\/\/[\w-]+/.exec(printed) ?? [];
    if (shareLink === undefined) throw new Error('relay init printed no entry');
    const entry = launch.file('entry.txt', `${shareLink}\n`);
    const relayArgs = ['relay', '--data', relayData, '--json', '--workers', '1', '--egress-allow', `${HOST}/32`];
    const clientArgs = [
      ...['client', '--entry', entry, '--json', '--data', launch.file('client-data')],
      ...['--socks', `${HOST}:0`, '--http', `${HOST}:0`],
    ];
    const relay = await startRozan(launch, 'relay', relayArgs, runtime);
    const client = await startRozan(launch, 'client', clientArgs, runtime);
    return {
      chain: [{ host: HOST, port: portOf(client.socks) }],
      accounts: { client: [client.pid], server: [relay.pid] },
    };
  };

const portOf = (address) => Number(address.split(':').at(-1));

/** A relay with so many workers; its files begin with `name`. */
export async function startRelay(launch, { name, workers }) {
  const data = launch.file(name);
  const listen = `opaque=${HOST}:${await freePort()}`;
  const printed = await runRozan(launch, `${name}.init`, ['relay', 'init', '--data', data, '--listen', listen]);
  const entry = launch.file(`${name}.entry`, printed);
  const args = ['relay', '--data', data, '--json', '--workers', String(workers), '--egress-allow', `${HOST}/32`];
  const { pid } = await startRozan(launch, name, args);
  return {
    name,
    pid,
    entry,
    /** Sessions of each worker now. */
    sessionsByWorker: async () => {
      const status = JSON.parse(
        await runRozan(launch, `${name}.status`, ['relay', 'status', '--data', data, '--json']),
      );
      return status.sessionsByWorker ?? [status.sessions];
    },
  };
}

/** Clients of a relay, one after another; each with the SOCKS chain that leads through it. */
export async function startClients(launch, { name, entry }, count) {
  const clients = [];
  for (let number = 1; number <= count; number += 1) {
    const args = ['client', '--entry', entry, '--json', '--socks', `${HOST}:0`, '--http', `${HOST}:0`];
    const { socks, pid } = await startRozan(launch, `${name}-client-${number}`, args);
    clients.push({ pid, chain: [{ host: HOST, port: portOf(socks) }] });
  }
  return clients;
}

/** By name. */
export const RECIPES = {
  'rozan-opaque': rozan('opaque'),
  'rozan-websocket': rozan('websocket'),
  'rozan-http': rozan('http'),
  'rozan-obfs4': rozan('pluggable', undefined, ',exec=/usr/bin/obfs4proxy,method=obfs4'),
  'rozan-opaque-bun': rozan('opaque', findBun),
};
