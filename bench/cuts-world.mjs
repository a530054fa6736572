// A relay and a client as programs of their own, with cutters between them in this process, and what is observed of them.
import { openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, cutter-core.d.mts, imported.
import { createCutter } from './cutter-core.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, integrity.d.mts, imported.
import { startOrigin } from './integrity.mjs';
import { freePort, HOST, Launch } from './launch.mjs';
import { memory } from './procs.mjs';

const COMMAND = fileURLToPath(new URL('../bin/rozan.mjs', import.meta.url));
const READY = /^\{.*"event":"ready".*\}$/m;
const MEMORY_EVERY_MS = 250;

/** The highest resident memory of processes since it began to watch, in KiB, beside that at the beginning. */
class MemoryWatch {
  #timer;
  #pids;

  constructor(pids) {
    this.#pids = pids;
    this.idle = this.#read();
    this.peak = { ...this.idle };
    this.#timer = setInterval(() => this.#look(), MEMORY_EVERY_MS);
  }

  #read() {
    return Object.fromEntries(Object.entries(this.#pids).map(([name, pid]) => [name, memory([pid]).rss]));
  }

  #look() {
    const now = this.#read();
    for (const name of Object.keys(now)) this.peak[name] = Math.max(this.peak[name], now[name]);
  }

  stop() {
    clearInterval(this.#timer);
  }
}

async function startRelay(launch, addresses, port) {
  const data = launch.file('relay-data');
  const printed = launch.file('init.out', '');
  const init = ['relay', 'init', '--data', data, '--listen', `opaque=${HOST}:${port}`];
  for (const address of addresses) init.push('--address', `opaque=${address}`);
  await launch.run(process.execPath, [COMMAND, ...init], { stdio: ['ignore', openSync(printed, 'a'), 'inherit'] });
  const [link] = /rozan:\/\/[\w-]+/.exec(readFileSync(printed, 'utf8')) ?? [];
  if (link === undefined) throw new Error('relay init printed no entry');
  const args = ['relay', '--data', data, '--json', '--egress-allow', `${HOST}/32`];
  launch.start('relay', process.execPath, [COMMAND, ...args]);
  const [line] = await launch.said('relay', READY);
  const status = async () => {
    const file = launch.file('status.out', '');
    const ask = ['relay', 'status', '--data', data, '--json'];
    await launch.run(process.execPath, [COMMAND, ...ask], { stdio: ['ignore', openSync(file, 'a'), 'inherit'] });
    return JSON.parse(readFileSync(file, 'utf8'));
  };
  return { entry: launch.file('entry.txt', `${link}\n`), pid: JSON.parse(line).pid, status };
}

async function startClient(launch, entry, extra) {
  const args = ['client', '--entry', entry, '--json', '--socks', `${HOST}:0`, '--http', `${HOST}:0`, ...extra];
  launch.start('client', process.execPath, [COMMAND, ...args]);
  const [line] = await launch.said('client', READY);
  return JSON.parse(line);
}

/**
 * Starts an origin, a relay, a client with the arguments `clientArgs`, and for each of `cutters` a cutter of that mode in front of the
 * relay, all of which the entry names; `prepare` gets the cutters before the client starts. Disposing ends it all.
 */
export async function startWorld({ cutters: modes = [{}], clientArgs = [], prepare = async () => {} }) {
  const stack = new AsyncDisposableStack();
  try {
    const launch = stack.adopt(new Launch(), (used) => used.stop());
    const origin = stack.adopt(await startOrigin(), (used) => used.stop());
    const port = await freePort();
    const cutters = [];
    for (const mode of modes) cutters.push(stack.use(await createCutter({ target: `${HOST}:${port}`, ...mode })));
    const addresses = cutters.map(({ address }) => address);
    const relay = await startRelay(launch, addresses, port);
    await prepare(cutters);
    const client = await startClient(launch, relay.entry, clientArgs);
    const pids = { client: client.pid, relay: relay.pid };
    const watch = stack.adopt(new MemoryWatch(pids), (used) => used.stop());
    const events = () =>
      readFileSync(launch.file('client.log'), 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line));
    return {
      path: { socks: client.socks, originPort: origin.port },
      cutters,
      pids,
      watch,
      /** What `rozan relay status` says. */
      relayStatus: relay.status,
      events,
      /** How many of each event the client has told of. */
      eventCounts: () =>
        Object.fromEntries(
          Object.entries(Object.groupBy(events(), ({ event }) => event)).map(([name, list]) => [name, list.length]),
        ),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
