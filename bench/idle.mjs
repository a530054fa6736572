#!/usr/bin/env node
// Thousands of sessions on which nothing happens, held by one relay: what each costs on both sides, and whether all answer afterwards.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { holdConns, holdSessions } from '../packages/lab/src/testing/idle-run.ts';

const HELP = `usage: node bin/run.mjs bench/idle.mjs [options]

  --sessions N  sessions with one carrier each (default 10000)
  --hold S      seconds for which nothing happens (default 20)
  --echo BYTES  bytes that a stream of each session moves in each direction afterwards (default 4096)
  --at-once N   streams at a time (default 200)
  --most KIB    fail where a session costs more than this on either side (default 40)
  --no-control  without the plain connections beside it
  --json FILE   write the figures there
  --help

Memory is PSS: what the process grew by, divided by the number of sessions, as it is after the hold, uncollected garbage included;
what the kernel holds for sockets is not in it. It is taken again when all have answered and rested, and not judged. The control holds as many plain connections between two programs that do nothing else.
One relay process and one program with all clients; each has a descriptor for every session, so the hard limit of open files
(\`ulimit -Hn\`; as root \`ulimit -n 65536\` in the same shell raises it) has to be above N by a thousand, and the range of local ports
(net.ipv4.ip_local_port_range) has to hold N. A relay takes 40000 sessions of one channel.

Prints a table and one line of JSON; the exit code is 1 where a session was lost, did not answer, or cost too much.`;

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  allowNegative: true,
  options: {
    sessions: text('10000'),
    hold: text('20'),
    echo: text('4096'),
    'at-once': text('200'),
    most: text('40'),
    control: { type: 'boolean', default: true },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});

/** Descriptors of a program beside those of its sessions and their streams. */
const SPARE_FILES = 100;

/** What this machine's limits do not allow; undefined where all is well, or unknown. */
function whyNot(sessions, atOnce) {
  if (process.platform !== 'linux') return undefined;
  const [, files] = /^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
  const needed = sessions + atOnce + SPARE_FILES;
  if (Number(files) < needed) return `needs ${needed} open files of ${files}: \`ulimit -n ${needed}\` first, as root`;
  const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').split(/\s+/).map(Number);
  if (last - first < needed) return `needs ${needed} local ports of ${last - first}: see net.ipv4.ip_local_port_range`;
  return undefined;
}

const KIB = 1024;
const kib = (bytes) => (bytes / KIB).toFixed(1);
const mib = (bytes) => (bytes / KIB / KIB).toFixed(0);

function printTable(rows) {
  console.log('| | one costs, KiB | process before, MiB | process with all, MiB |\n| --- | --- | --- | --- |');
  for (const [name, { eachBytes, beforeBytes, heldBytes }] of rows) {
    console.log(`| ${name} | ${kib(eachBytes)} | ${mib(beforeBytes)} | ${mib(heldBytes)} |`);
  }
}

async function main() {
  const sessions = Number(values.sessions);
  const options = { sessions, streamsAtOnce: Number(values['at-once']), echoBytes: Number(values.echo) };
  const reason = whyNot(sessions, options.streamsAtOnce);
  if (reason !== undefined) {
    console.error(reason);
    process.exitCode = 2;
    return;
  }
  const holdMs = Number(values.hold) * 1000;
  const onProgress = (what) => console.error(`${what} …`);
  if (values.control) onProgress('the control: plain connections');
  const plain = values.control ? await holdConns(sessions, holdMs) : undefined;
  const figures = await holdSessions({ ...options, holdMs, onProgress });
  const { relay, client, relayAfter, clientAfter, heldSessions, undisturbed, answers } = figures;
  printTable([
    ['relay', relay],
    ['client', client],
    ['relay, after all have answered', relayAfter],
    ['client, after that', clientAfter],
    ...(plain
      ? [
          ['plain, accepted', plain.listener],
          ['plain, dialled', plain.dialler],
        ]
      : []),
  ]);
  const most = Number(values.most) * KIB;
  const faults = [];
  if (heldSessions !== sessions) faults.push(`the relay holds ${heldSessions} sessions of ${sessions}`);
  if (undisturbed !== sessions) faults.push(`${sessions - undisturbed} carriers were lost while nothing happened`);
  if (answers.done !== sessions) faults.push(`of ${sessions} sessions answered: ${JSON.stringify(answers)}`);
  if (!(relay.eachBytes <= most)) faults.push(`a session costs the relay ${kib(relay.eachBytes)} KiB`);
  if (!(client.eachBytes <= most)) faults.push(`a session costs its client ${kib(client.eachBytes)} KiB`);
  for (const fault of faults) console.log(`WRONG: ${fault}`);
  const result = { ok: faults.length === 0, sessions, holdMs, ...figures, ...(plain && { plain }), faults };
  console.log(JSON.stringify(result));
  if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

if (values.help) console.log(HELP);
else await main();
