#!/usr/bin/env node
// A control plane to which some hundred relays report each minute: what it costs, and how long a report takes beside a request for nothing.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const HELP = `usage: node bin/run.mjs bench/control.mjs [options]

  --relays N    relays that are enrolled and report (default 500)
  --seconds S   for how long they do (default 60)
  --every S     seconds between two reports of one relay (default 60)
  --json FILE   write the figures there
  --help

The control plane is the real program with its own database, on loopback and without TLS. Each report comes over a connection of its own, as a
relay's does. Half-way between two reports the same kind of request goes to a server with the same plugins and one route that does
nothing. CPU is that of the control plane's process, in shares of one core; its database's is told beside it, with all of its processes.

Prints a table and one line of JSON; the exit code is 1 where a report was refused.`;

const { values } = parseArgs({
  options: {
    relays: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '60' },
    every: { type: 'string', default: '60' },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});

const ROOT = join(import.meta.dirname, '..');
const CLOCK_TICKS = 100;

async function startProgram(args) {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event === 'ready')
      return { child, port: Number(event.listen.split(':').at(-1)), pid: event.pid ?? child.pid };
  }
  throw new Error('the program has ended');
}

/** A request over a connection of its own; the status, the reply, and how long it took. */
function ask(port, { path, token, body, number }) {
  const startedMs = performance.now();
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'x-forwarded-for': `10.0.${number >> 8}.${number & 255}`,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode, text, ms: performance.now() - startedMs }));
    });
    outgoing.on('error', reject).end(bytes);
  });
}

async function expectDone(reply) {
  const { status, text } = await reply;
  if (status !== 200) throw new Error(`status ${status}: ${text}`);
  return JSON.parse(text);
}

const freshKey = () => randomBytes(32).toString('base64url');

async function enrol(port, token, count) {
  await expectDone(ask(port, { path: '/channels', token, number: 0, body: { channel: 'default' } }));
  const credentials = [];
  for (let number = 0; number < count; number += 1) {
    const body = { name: `relay-${number}`, channels: ['default'] };
    const enrolment = await expectDone(ask(port, { path: '/enrolment-tokens', token, number, body }));
    const transports = [{ transport: 'opaque', addresses: [`192.0.2.1:${1024 + number}`], params: {} }];
    const identity = { token: enrolment.token, key: freshKey(), signingKey: freshKey(), transports };
    const { credential } = await expectDone(ask(port, { path: '/relays/enrol', number, body: identity }));
    credentials.push(credential);
  }
  return credentials;
}

function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

function memoryMib(pid) {
  return Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1]) / 1024;
}

/** The postmaster and its children. */
function databasePids(data) {
  const postmaster = Number(readFileSync(join(data, 'postgres', 'db', 'postmaster.pid'), 'latin1').split('\n')[0]);
  const isOurs = (pid) => {
    try {
      return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ')[1]) === postmaster;
    } catch {
      return false;
    }
  };
  return [postmaster, ...readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isOurs(name))];
}

const sumOf = (pids, measure) =>
  pids.reduce((sum, pid) => {
    try {
      return sum + measure(pid);
    } catch {
      return sum;
    }
  }, 0);

function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function reportOf(number) {
  return {
    settingsVersion: 1,
    programVersion: '0.1.0',
    uptimeSeconds: number,
    cpuShare: 0.3,
    memoryBytes: 1e8 + number,
    sessionsLive: 300,
    sessionsDetached: 20,
    streams: 900,
    strangers: 3,
    bytesUp: 1e9,
    bytesDown: 1e10,
    isDraining: false,
  };
}

async function measure() {
  const data = mkdtempSync(join(tmpdir(), 'rozan-bench-'));
  const running = [];
  try {
    const control = await startProgram([
      'bin/rozan.mjs',
      'control',
      '--data',
      join(data, 'c'),
      '--listen',
      '127.0.0.1:0',
      '--json',
      '--trust-proxy',
      '127.0.0.1',
    ]);
    running.push(control.child);
    const nothing = await startProgram(['packages/control/src/testing/empty-server-program.ts']);
    running.push(nothing.child);
    const token = readFileSync(join(data, 'c', 'token'), 'utf8').trim();
    const credentials = await enrol(control.port, token, Number(values.relays));
    const rows = { report: [], nothing: [] };
    const gapMs = (Number(values.every) * 1000) / credentials.length;
    const database = databasePids(join(data, 'c'));
    const before = { control: cpuSeconds(control.pid), database: sumOf(database, cpuSeconds) };
    const startedMs = performance.now();
    let refused = 0;
    const pending = new Set();
    const send = (kind, promise) => {
      const done = promise.then(({ status, ms }) => {
        if (status === 200) rows[kind].push(ms);
        else refused += 1;
      });
      pending.add(done);
      void done.finally(() => pending.delete(done));
    };
    for (let count = 0; performance.now() - startedMs < Number(values.seconds) * 1000; count += 1) {
      const number = count % credentials.length;
      const body = reportOf(count);
      send('report', ask(control.port, { path: '/relays/report', token: credentials[number], number, body }));
      await pause(Math.max(0, startedMs + (count + 0.5) * gapMs - performance.now()));
      send('nothing', ask(nothing.port, { path: '/nothing', number, body }));
      await pause(Math.max(0, startedMs + (count + 1) * gapMs - performance.now()));
    }
    await Promise.all(pending);
    const seconds = (performance.now() - startedMs) / 1000;
    const share = (after, earlier) => (after - earlier) / seconds;
    for (const kind of Object.values(rows)) kind.sort((a, b) => a - b);
    return {
      relays: credentials.length,
      reports: rows.report.length,
      refused,
      seconds,
      controlCpuShare: share(cpuSeconds(control.pid), before.control),
      controlMib: memoryMib(control.pid),
      databaseCpuShare: share(sumOf(database, cpuSeconds), before.database),
      databaseMib: sumOf(databasePids(join(data, 'c')), memoryMib),
      reportMs: { p50: quantile(rows.report, 0.5), p99: quantile(rows.report, 0.99) },
      nothingMs: { p50: quantile(rows.nothing, 0.5), p99: quantile(rows.nothing, 0.99) },
    };
  } finally {
    for (const child of running) {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    }
    rmSync(data, { recursive: true, force: true });
  }
}

if (values.help) console.log(HELP);
else {
  const figures = await measure();
  const { reportMs, nothingMs } = figures;
  const percent = (share) => `${(share * 100).toFixed(1)} %`;
  console.log(`| | CPU of one core | memory, MiB |\n| --- | --- | --- |`);
  console.log(`| control plane | ${percent(figures.controlCpuShare)} | ${figures.controlMib.toFixed(0)} |`);
  console.log(`| its database | ${percent(figures.databaseCpuShare)} | ${figures.databaseMib.toFixed(0)} |\n`);
  console.log(`| ms | p50 | p99 |\n| --- | --- | --- |`);
  console.log(`| report | ${reportMs.p50.toFixed(1)} | ${reportMs.p99.toFixed(1)} |`);
  console.log(`| nothing | ${nothingMs.p50.toFixed(1)} | ${nothingMs.p99.toFixed(1)} |\n`);
  console.log(JSON.stringify(figures));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  if (figures.refused > 0) process.exitCode = 1;
}
