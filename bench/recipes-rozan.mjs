// Recipes (see recipes.mjs) for this repository's own client and relay, started by the command line that users have.
import { openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freePort, HOST } from './launch.mjs';

const COMMAND = fileURLToPath(new URL('../bin/rozan.mjs', import.meta.url));
const READY = /^\{.*"event":"ready".*\}$/m;

/** Runs the command to its end, with its standard output in a private file; returns what it wrote. */
async function runRozan(launch, name, args) {
  const output = launch.file(name, '');
  await launch.run(process.execPath, [COMMAND, ...args], { stdio: ['ignore', openSync(output, 'a'), 'inherit'] });
  return readFileSync(output, 'utf8');
}

/** Starts one of the programs and waits until it says that it is ready; returns what it said. */
async function startRozan(launch, name, args) {
  launch.start(name, process.execPath, [COMMAND, ...args]);
  const [line] = await launch.said(name, READY);
  return JSON.parse(line);
}

/** A relay and a client over one transport; the entry names the port that `link` gives, so that a cutter can stand between. */
const rozan =
  (transport) =>
  async ({ launch, link }) => {
    const port = await freePort();
    const relayData = launch.file('relay-data');
    const printed = await runRozan(launch, 'init.out', [
      ...['relay', 'init', '--data', relayData],
      ...['--listen', `${transport}=${HOST}:${port}`],
      ...['--address', `${transport}=${HOST}:${await link(port)}`],
    ]);
    const [shareLink] = /rozan:\/\/[\w-]+/.exec(printed) ?? [];
    if (shareLink === undefined) throw new Error('relay init printed no entry');
    const entry = launch.file('entry.txt', `${shareLink}\n`);
    const relay = await startRozan(launch, 'relay', [
      ...['relay', '--data', relayData, '--json', '--workers', '1', '--egress-allow', `${HOST}/32`],
    ]);
    const client = await startRozan(launch, 'client', [
      ...['client', '--entry', entry, '--json', '--data', launch.file('client-data')],
      ...['--socks', `${HOST}:0`, '--http', `${HOST}:0`],
    ]);
    return {
      chain: [{ host: HOST, port: Number(client.socks.split(':').at(-1)) }],
      accounts: { client: [client.pid], server: [relay.pid] },
    };
  };

/** By name. */
export const RECIPES = { 'rozan-opaque': rozan('opaque') };
