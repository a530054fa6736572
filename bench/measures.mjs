// The single measurements. Each takes a path and checks every byte that it moves over it; where one
// is wrong or missing it throws. A path is { chain, origin, accounts, target? }: the SOCKS proxies in
// their order, the origin's {port, pid}, the pids to account by name, and the address to ask the last
// proxy for where that is not the origin's own.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { dial } from './dial.mjs';
import { digest, matches, send } from './pattern.mjs';
import { cpuSeconds, memory } from './procs.mjs';

const HOST = '127.0.0.1';
const STALL_MS = 30_000;
const SMALL_STALL_MS = 3_000;
const SMALL = 1024;
/** Streams begin this far from each other in the sequence, so that mixed-up streams show. */
const STRIDE = 7919 * 13;

/** Starts the origin as a child process; `stop` ends it. */
export function startOrigin() {
  const child = fork(fileURLToPath(new URL('origin.mjs', import.meta.url)));
  return new Promise((resolve, reject) => {
    child.once('message', ({ port }) => resolve({ port, pid: child.pid, stop: () => child.disconnect() }));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the origin ended with ${code}`)));
  });
}

/** Opens a stream over a path; it fails if nothing moves on it for `stallMs`. */
export async function open(path, stallMs = STALL_MS) {
  const { host, port } = path.target ?? { host: HOST, port: path.origin.port };
  const stream = await dial(path.chain, host, port);
  stream.socket.setTimeout(stallMs, () => stream.socket.destroy(new Error(`no data for ${stallMs} ms`)));
  return stream;
}

/** Asks an open stream for `bytes` from `position`; `hash` and `onFirst` are optional. */
export async function download(stream, position, bytes, { hash, onFirst } = {}) {
  stream.write(`GET /down?position=${position}&bytes=${bytes} HTTP/1.1\r\nHost: origin\r\n\r\n`);
  await stream.readHead();
  onFirst?.();
  let received = 0;
  let intact = true;
  await new Promise((resolve, reject) => {
    stream.closed.then((error) => reject(error ?? new Error(`closed after ${received} of ${bytes} bytes`)));
    stream.consume((chunk) => {
      intact = intact && matches(position + received, chunk);
      hash?.update(chunk);
      received += chunk.length;
      if (received >= bytes) resolve();
    });
  });
  if (!intact || received !== bytes) throw new Error(`download differs (${received} of ${bytes} bytes)`);
}

/** Sends `bytes` from `position` over an open stream; the origin compares them, and hashes them if `sha256` says so. */
export async function upload(stream, position, bytes, { sha256 = false } = {}) {
  const query = `position=${position}${sha256 ? '&sha256=1' : ''}`;
  stream.write(`PUT /up?${query} HTTP/1.1\r\nHost: origin\r\nContent-Length: ${bytes}\r\n\r\n`);
  await send(stream.socket, position, bytes);
  const head = (await stream.readHead()).toString('latin1');
  const length = Number(/^content-length: *(\d+)/im.exec(head)[1]);
  const answer = JSON.parse((await stream.read(length)).toString());
  if (!answer.intact || answer.bytes !== bytes) throw new Error(`upload differs (${answer.bytes} of ${bytes} bytes)`);
  return answer.sha256;
}

const now = () => performance.now() / 1000;

/** CPU seconds by account, of `work` alone. */
async function accounted(path, work) {
  const accounts = { ...path.accounts, origin: [path.origin.pid] };
  const snapshot = () => {
    const times = Object.fromEntries(Object.entries(accounts).map(([name, pids]) => [name, cpuSeconds(pids)]));
    const { user, system } = process.cpuUsage();
    return { ...times, generator: (user + system) / 1e6 };
  };
  const before = snapshot();
  const result = await work();
  const after = snapshot();
  const cpu = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]));
  return { result, cpu };
}

/** Goodput of `streams` parallel transfers, together `bytes`; direction is 'down' or 'up'. */
export async function bulk(path, { direction, streams, bytes }) {
  const share = Math.floor(bytes / streams);
  const transfer = direction === 'down' ? download : upload;
  const { result: seconds, cpu } = await accounted(path, async () => {
    const opened = await Promise.all(Array.from({ length: streams }, () => open(path)));
    const start = now();
    await Promise.all(opened.map((stream, index) => transfer(stream, index * STRIDE, share)));
    const elapsed = now() - start;
    for (const stream of opened) stream.destroy();
    return elapsed;
  });
  const moved = share * streams;
  const cpuPerGB = Object.fromEntries(Object.entries(cpu).map(([name, used]) => [name, used / (moved / 1e9)]));
  return { mbPerSecond: moved / 1e6 / seconds, cpuPerGB };
}

/** Milliseconds from starting a new connection to the first byte of its answer, one after another. */
export async function firstByte(path, { requests }) {
  const times = [];
  for (let index = 0; index < requests; index += 1) {
    const start = now();
    const stream = await open(path);
    await download(stream, index, SMALL, { onFirst: () => times.push((now() - start) * 1000) });
    stream.destroy();
  }
  return { times };
}

/**
 * New connections a second, each with one small answer, `concurrency` at a time. Those that fail or
 * stall are counted apart; what is answered after the time is up does not count.
 */
export async function connections(path, { seconds, concurrency }) {
  let done = 0;
  let failed = 0;
  const { cpu } = await accounted(path, async () => {
    const start = now();
    const request = async () => {
      const stream = await open(path, SMALL_STALL_MS);
      try {
        await download(stream, done, SMALL);
      } finally {
        stream.destroy();
      }
    };
    const worker = async () => {
      while (now() - start < seconds) {
        try {
          await request();
          if (now() - start <= seconds) done += 1;
        } catch {
          failed += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  });
  const cpuPerThousand = Object.fromEntries(Object.entries(cpu).map(([name, used]) => [name, (used / done) * 1000]));
  return { perSecond: done / seconds, done, failed, cpuPerThousand };
}

function memoryByAccount(path) {
  return Object.fromEntries(Object.entries(path.accounts).map(([name, pids]) => [name, memory(pids)]));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Memory before and with `count` idle streams; afterwards each stream must still echo a byte. */
export async function hold(path, { count, concurrency = 16 }) {
  const idle = memoryByAccount(path);
  const held = [];
  let failed = 0;
  let started = 0;
  const worker = async () => {
    while (started < count) {
      started += 1;
      try {
        const stream = await open(path);
        stream.write('GET /hold HTTP/1.1\r\nHost: origin\r\n\r\n');
        await stream.readHead();
        held.push(stream);
      } catch {
        failed += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  await pause(1000);
  const loaded = memoryByAccount(path);
  const echoes = await Promise.allSettled(
    held.map(async (stream, index) => {
      stream.write(Buffer.from([index & 255]));
      const [byte] = await stream.read(1);
      if (byte !== (index & 255)) throw new Error('wrong echo');
    }),
  );
  for (const stream of held) stream.destroy();
  const alive = echoes.filter(({ status }) => status === 'fulfilled').length;
  return { idle, loaded, asked: count, failed, alive };
}

/** Compares the SHA-256 of what arrives with that of what was sent, both ways, on parallel streams. */
export async function integrity(path, { bytes, streams }) {
  const share = Math.floor(bytes / streams);
  const check = async (direction, index) => {
    const position = index * STRIDE;
    const stream = await open(path);
    const hash = createHash('sha256');
    let actual;
    if (direction === 'down') {
      await download(stream, position, share, { hash });
      actual = hash.digest('hex');
    } else {
      actual = await upload(stream, position, share, { sha256: true });
    }
    stream.destroy();
    if (actual !== digest(position, share)) throw new Error(`SHA-256 differs (${direction}, stream ${index})`);
  };
  for (const direction of ['down', 'up']) {
    await Promise.all(Array.from({ length: streams }, (_, index) => check(direction, index)));
  }
  return { verifiedBytes: share * streams * 2 };
}
