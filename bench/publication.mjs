#!/usr/bin/env node
// How long it takes to publish a network's entries, all of them or what has changed, and what a client downloads to be current.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { signServerEntry } from '../packages/protocol/src/index.ts';
import {
  addSignature,
  bucketOf,
  createFolderStorage,
  createMemoryStorage,
  draftFirst,
  Fetcher,
  publish,
  signingKeyOf,
} from '../packages/publication/src/index.ts';
import { binOf } from '../packages/publication/src/roles.ts';
import { createEnv } from '../packages/tunnel/src/index.ts';

const HELP = `usage: node bin/run.mjs bench/publication.mjs [options]

  --entries N    server entries, signed (default 5000)
  --channels N   lists that they are spread over (default 200)
  --rounds N     changes of one list after the first publication (default 9)
  --bounds FULL,CHANGE,FIRST,UPDATE
                 fail above these seconds, seconds, bytes and bytes (default 20,2,60000,6000)
  --json FILE    write the figures there
  --help

Publishes to a folder, with all writes brought to the disk. A client fetches from two mirrors on loopback that serve this folder: one that sends
files as they are, and one that packs metadata with gzip, as most web servers and CDNs do. Bytes are those of bodies, as they come over the
line; bytes with headers are given beside them. In each round one entry of one list changes, in the fullest bin: most clients download less. The bounds hold for the median of the rounds, at
the mirror that packs.

Prints a table and one line of JSON; the exit code is 1 where a bound is missed.`;

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    entries: text('5000'),
    channels: text('200'),
    rounds: text('9'),
    bounds: text('20,2,60000,6000'),
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** Changes of each list in the client's bin before anything of the client is measured: as many as deltas are kept. */
const EARLIER_CHANGES = 6;

const env = createEnv({ log: () => {} });
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

/** An entry such as relays have: three transports, one of them on both versions of IP. */
function makeEntry(channel, number, entryKey) {
  const [host, v6] = [`203.0.${113 + (number >> 16)}.${number & 255}`, `2001:db8::${(number & 65535).toString(16)}`];
  const nowMs = env.clock.wallMs();
  const transports = [
    { transport: 'opaque', addresses: [`${host}:${20000 + (number % 30000)}`, `[${v6}]:443`], params: {} },
    {
      transport: 'websocket',
      addresses: [`${host}:443`],
      params: { path: `/${env.random.bytes(9).toString('base64url')}`, sni: `cdn${number}.example.net` },
    },
    { transport: 'http', addresses: [`${host}:80`], params: { host: `www${number}.example.org` } },
  ];
  const secrets = { key: env.random.bytes(32), secret: env.random.bytes(32) };
  const dates = { issuedMs: nowMs, expiresMs: nowMs + 14 * 86_400_000 };
  return signServerEntry({ ...secrets, ...dates, channel, region: 'NL', transports }, entryKey);
}

/** Serves a storage; counts bytes of bodies, and of everything. */
async function startMirror(storage, isPacking) {
  const counts = { bytes: 0 };
  const server = createServer(async (request, response) => {
    const name = request.url.slice(1);
    const body = await storage.read(name);
    if (body === null) return response.writeHead(404).end();
    const packed = isPacking && name.endsWith('.json') && request.headers['accept-encoding'] === 'gzip';
    const sent = packed ? gzipSync(body, { level: 6 }) : body;
    response
      .writeHead(200, { 'content-length': sent.length, ...(packed ? { 'content-encoding': 'gzip' } : {}) })
      .end(sent);
  });
  server.on('connection', (socket) =>
    socket.on('close', () => (counts.bytes += socket.bytesWritten + socket.bytesRead)),
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const dial = ({ host, port }) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port });
      socket.once('connect', () => resolve(socket)).once('error', reject);
    });
  const mirrors = { urls: [`http://127.0.0.1:${server.address().port}/`], dial };
  return { mirrors, counts, close: () => server.close() };
}

/** A client of one bucket at one mirror, and what it has downloaded since it was asked last. */
async function openClient({ mirrors, counts }, { root, key, store }) {
  let [bodies, all] = [0, 0];
  return async () => {
    // A client of its own each time: its connection closes, so that all bytes are counted.
    const fetcher = await Fetcher.open(env, { root, store, mirrors });
    const beganMs = performance.now();
    await fetcher.refresh();
    const { entries } = await fetcher.entryList(key);
    const ms = performance.now() - beganMs;
    fetcher[Symbol.dispose]();
    const before = counts.bytes;
    while (counts.bytes === before) await new Promise(setImmediate);
    bodies = fetcher.receivedBytes;
    all = counts.bytes - before;
    return { entries: entries.length, bodies, all, ms };
  };
}

async function createPublication(folder) {
  const draw = (count) => Array.from({ length: count }, () => signingKeyOf(env.random.bytes(32)));
  const keys = {
    root: draw(3),
    targets: draw(3),
    releases: draw(3),
    network: draw(1),
    snapshot: draw(1),
    timestamp: draw(1),
  };
  const workshop = { storage: createFolderStorage(folder), pending: createMemoryStorage(env.clock) };
  await draftFirst(workshop, keys, env.clock.wallMs());
  for (const { name } of await workshop.pending.list('')) {
    const [, role] = name.split('.');
    await workshop.pending.write(name, keys[role].slice(0, 2).reduce(addSignature, await workshop.pending.read(name)));
  }
  return { ...workshop, keys: [keys.network, keys.snapshot, keys.timestamp].flat() };
}

async function timedPublish(publication, lists) {
  const beganMs = performance.now();
  const report = await publish(env, { ...publication, content: { lists, files: new Map() } });
  return { seconds: (performance.now() - beganMs) / 1000, files: report.files, bytes: report.bytes };
}

async function measure() {
  const [entryCount, channels, rounds] = [values.entries, values.channels, values.rounds].map(Number);
  const folder = mkdtempSync(join(tmpdir(), 'rozan-bench-'));
  const closing = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    const entryKey = env.random.bytes(32);
    const changeList = (all, at, number) => {
      const { key, entries } = all[at];
      all[at] = { key, entries: [...entries.slice(1), makeEntry(`c${at}`, number, entryKey)] };
    };
    const lists = Array.from({ length: channels }, (_, channel) => ({
      key: env.random.bytes(32),
      entries: Array.from({ length: Math.ceil(entryCount / channels) }, (_unused, index) =>
        makeEntry(`c${channel}`, channel * 100 + index, entryKey),
      ),
    }));
    // The client's list is in the fullest bin: the most metadata beside it that anybody has.
    const binFor = (list) => binOf(bucketOf(list.key).path);
    const inBin = Map.groupBy(lists, binFor);
    lists.sort((a, b) => inBin.get(binFor(b)).length - inBin.get(binFor(a)).length);
    const publication = await createPublication(folder);
    const full = await timedPublish(publication, lists);
    const idle = await timedPublish(publication, lists);
    // As after a while: all lists of the bin have had changes, which are listed in its metadata.
    const neighbours = inBin.get(binFor(lists[0])).length;
    for (let change = 0; change < EARLIER_CHANGES; change++) {
      for (let index = 0; index < neighbours; index++) changeList(lists, index, 80_000 + 100 * change + index);
      await timedPublish(publication, lists);
    }
    const root = await publication.storage.read('metadata/1.root.json');
    const { key } = lists[0];
    const clients = {};
    for (const [name, isPacking] of [
      ['plain', false],
      ['gzip', true],
    ]) {
      const mirror = await startMirror(publication.storage, isPacking);
      closing.push(mirror.close);
      clients[name] = await openClient(mirror, { root, key, store: createMemoryStorage(env.clock) });
    }
    const first = { plain: await clients.plain(), gzip: await clients.gzip() };
    const nothing = { plain: await clients.plain(), gzip: await clients.gzip() };
    const changes = [];
    const updates = { plain: [], gzip: [] };
    for (let round = 0; round < rounds; round++) {
      changeList(lists, 0, 90_000 + round);
      changes.push(await timedPublish(publication, lists));
      for (const name of ['plain', 'gzip']) updates[name].push(await clients[name]());
    }
    const middle = (list, name) => median(list.map((one) => one[name]));
    const update = (name) => ({ bodies: middle(updates[name], 'bodies'), all: middle(updates[name], 'all') });
    return {
      entries: lists.reduce((sum, list) => sum + list.entries.length, 0),
      channels,
      listsInBin: neighbours,
      full,
      idle,
      change: { seconds: middle(changes, 'seconds'), files: middle(changes, 'files'), bytes: middle(changes, 'bytes') },
      client: { first, nothing, update: { plain: update('plain'), gzip: update('gzip') } },
    };
  } finally {
    for (const close of closing) close();
  }
}

function formatTable({ full, idle, change, client }) {
  const made = (name, { seconds, files, bytes }) =>
    `| ${name} | ${seconds.toFixed(2)} | ${files} | ${(bytes / 1000).toFixed(1)} |`;
  const kb = (bytes) => (bytes / 1000).toFixed(2);
  const got = (name, { plain, gzip }) =>
    `| ${name} | ${[plain.bodies, gzip.bodies, plain.all, gzip.all].map(kb).join(' | ')} |`;
  return [
    '| publication | s | files | kB |',
    '| --- | --- | --- | --- |',
    made('all', full),
    made('nothing has changed', idle),
    made('one entry of one list', change),
    '',
    '| client | kB plain | kB gzip | with headers, both ways: plain | gzip |',
    '| --- | --- | --- | --- | --- |',
    got('first time', client.first),
    got('nothing has changed', client.nothing),
    got('one list has changed', client.update),
  ].join('\n');
}

if (values.help) console.log(HELP);
else {
  const figures = await measure();
  const [fullS, changeS, firstBytes, updateBytes] = values.bounds.split(',').map(Number);
  const { full, change, client } = figures;
  const missed = [
    full.seconds > fullS,
    change.seconds > changeS,
    client.first.gzip.bodies > firstBytes,
    client.update.gzip.bodies > updateBytes,
  ].some(Boolean);
  console.log(`${formatTable(figures)}\n`);
  console.log(JSON.stringify({ ...figures, missed }));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  process.exitCode = missed ? 1 : 0;
}
