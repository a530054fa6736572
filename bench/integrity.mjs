#!/usr/bin/env node
// Sends bytes through a SOCKS5 proxy for as long as it takes and checks each of them: bulk up and down at once, and an echo of
// random bytes, which nothing but the stream itself could mend. Its functions are for tests (types: integrity.d.mts). They throw
// where the application would have seen an error, a wrong byte, or an end that is not clean.
import { createHash, randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { parseProxy } from './dial.mjs';
import { pause } from './launch.mjs';
import { download, open, startOrigin, upload } from './measures.mjs';
import { digest } from './pattern.mjs';
import { quantile } from './statistics.mjs';

export { startOrigin };

const HELP = `usage: node bin/run.mjs bench/integrity.mjs (--socks [USER:PASSWORD@]HOST:PORT | --direct) [options]

  --origin-port P    an origin.mjs that runs already (default: one is started)
  --mb N             MB (10^6) each way (default 200; 0: no transfer)
  --directions LIST  of down,up (default both), at the same time
  --echo-seconds S   echo random bytes for S seconds, beside the transfer (default 0: no echo)
  --echoes N         this many echo streams at once (default 1)
  --stall-seconds S  fail where nothing moves on a stream for S seconds (default 120)
  --help

Prints one line of JSON; the exit code is 1 where anything failed.`;

/** Long enough for an outage of 30 s and the way back. */
const STALL_MS = 120_000;
/** Directions start at different places of the sequence, so that mixed-up streams show. */
const POSITIONS = { down: 0, up: 104_729 };
const MAX_MESSAGE_BYTES = 1400;
const MAX_PAUSE_MS = 40;

function pathTo({ socks, originPort }) {
  const chain = socks === undefined ? [] : [typeof socks === 'string' ? parseProxy(socks) : socks];
  return { chain, origin: { port: originPort } };
}

/** A hash that also knows the longest time without a byte, and tells how much has come. */
function watchedHash(onBytes) {
  const hash = createHash('sha256');
  let last = performance.now();
  let bytes = 0;
  const watched = {
    longestGapMs: 0,
    update(chunk) {
      const now = performance.now();
      watched.longestGapMs = Math.max(watched.longestGapMs, now - last);
      last = now;
      hash.update(chunk);
      onBytes((bytes += chunk.length));
    },
    digest: () => hash.digest('hex'),
  };
  return watched;
}

async function transferOnce(path, { direction, bytes, stallMs, from, onProgress }) {
  const position = from + POSITIONS[direction];
  const stream = await open(path, stallMs);
  const start = performance.now();
  try {
    const figures = {};
    let sha256;
    if (direction === 'down') {
      const hash = watchedHash((moved) => onProgress?.(direction, moved));
      await download(stream, position, bytes, { hash });
      sha256 = hash.digest();
      figures.longestGapMs = Math.round(hash.longestGapMs);
    } else {
      stream.socket.on('drain', () => onProgress?.(direction, stream.socket.bytesWritten));
      sha256 = await upload(stream, position, bytes, { sha256: true });
    }
    const seconds = (performance.now() - start) / 1000;
    if (sha256 !== digest(position, bytes)) throw new Error('SHA-256 differs');
    return { direction, bytes, seconds, mbPerSecond: bytes / 1e6 / seconds, sha256, ...figures };
  } catch (error) {
    throw new Error(`${direction}: ${error.message}`, { cause: error });
  } finally {
    stream.destroy();
  }
}

/** Moves `mb` MB in each of `directions` at the same time, each byte compared and the whole hashed. */
export async function runTransfer({ socks, originPort, mb, directions = ['down', 'up'], ...rest }) {
  const path = pathTo({ socks, originPort });
  const bytes = Math.round(mb * 1e6);
  const { stallMs = STALL_MS, from = 0, onProgress } = rest;
  return Promise.all(
    directions.map((direction) => transferOnce(path, { direction, bytes, stallMs, from, onProgress })),
  );
}

/** What was sent and has not come back yet, and how long each message took. */
class Ledger {
  #pending = [];
  #hash = createHash('sha256');
  #waiting;
  times = [];
  sent = 0;
  received = 0;

  add(bytes) {
    this.#pending.push({ bytes, at: performance.now() });
    this.sent += bytes.length;
  }

  /** Compares what came back; throws where it is not what was sent, in that order. */
  take(chunk) {
    this.#hash.update(chunk);
    for (let rest = chunk; rest.length > 0; ) {
      const [first] = this.#pending;
      if (first === undefined) throw new Error('more came back than was sent');
      const count = Math.min(first.bytes.length, rest.length);
      if (!first.bytes.subarray(0, count).equals(rest.subarray(0, count))) {
        throw new Error(`a wrong byte came back behind ${this.received}`);
      }
      this.received += count;
      rest = rest.subarray(count);
      first.bytes = first.bytes.subarray(count);
      if (first.bytes.length > 0) continue;
      this.times.push(performance.now() - first.at);
      this.#pending.shift();
    }
    if (this.received === this.sent) this.#waiting?.();
  }

  /** Resolves when all that was sent has come back. */
  async settled() {
    if (this.received < this.sent) await new Promise((resolve) => (this.#waiting = resolve));
  }

  summary() {
    const { times } = this;
    const at = (share) => Math.round(quantile(times, share) * 10) / 10;
    const roundTripMs = { median: at(0.5), p99: at(0.99), max: at(1) };
    return { bytes: this.received, messages: times.length, roundTripMs, sha256: this.#hash.digest('hex') };
  }
}

async function sendRandom(stream, ledger, seconds) {
  for (const end = performance.now() + seconds * 1000; performance.now() < end && !stream.socket.destroyed; ) {
    const bytes = randomBytes(1 + Math.floor(Math.random() * MAX_MESSAGE_BYTES));
    ledger.add(bytes);
    stream.write(bytes);
    await pause(Math.random() * MAX_PAUSE_MS);
  }
}

/** Echoes messages of random bytes for `seconds`, like somebody who types, then ends its side and expects a clean end. */
export async function runEcho({ socks, originPort, seconds, stallMs = STALL_MS }) {
  const stream = await open(pathTo({ socks, originPort }), stallMs);
  const ledger = new Ledger();
  try {
    stream.write('GET /hold HTTP/1.1\r\nHost: origin\r\n\r\n');
    await stream.readHead();
    const broken = new Promise((_resolve, reject) => {
      stream.closed.then((error) => reject(error ?? new Error('ended before its time')));
      stream.consume((chunk) => {
        try {
          ledger.take(chunk);
        } catch (error) {
          reject(error);
        }
      });
    });
    await Promise.race([sendRandom(stream, ledger, seconds).then(() => ledger.settled()), broken]);
    stream.socket.end();
    const error = await stream.closed;
    if (error) throw error;
    if (ledger.received !== ledger.sent) throw new Error('bytes came back that were not sent');
    return ledger.summary();
  } catch (error) {
    throw new Error(`echo: ${error.message} (${ledger.received} of ${ledger.sent} bytes came back)`, { cause: error });
  } finally {
    stream.destroy();
  }
}

const OPTIONS = {
  socks: { type: 'string' },
  direct: { type: 'boolean' },
  'origin-port': { type: 'string' },
  mb: { type: 'string', default: '200' },
  directions: { type: 'string', default: 'down,up' },
  'echo-seconds': { type: 'string', default: '0' },
  echoes: { type: 'string', default: '1' },
  'stall-seconds': { type: 'string', default: String(STALL_MS / 1000) },
  help: { type: 'boolean' },
};

async function runBoth(values, originPort) {
  const common = { socks: values.socks, originPort, stallMs: Number(values['stall-seconds']) * 1000 };
  const mb = Number(values.mb);
  const seconds = Number(values['echo-seconds']);
  const echoes = Array.from({ length: seconds > 0 ? Number(values.echoes) : 0 }, () => runEcho({ ...common, seconds }));
  const transfers = mb > 0 ? runTransfer({ ...common, mb, directions: values.directions.split(',') }) : [];
  const [moved, echoed] = await Promise.all([transfers, Promise.all(echoes)]);
  return { ok: true, transfers: moved, echoes: echoed };
}

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help || !values.direct === !values.socks) {
    console.log(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const origin = values['origin-port'] ? undefined : await startOrigin();
  try {
    const result = await runBoth(values, origin?.port ?? Number(values['origin-port']));
    console.log(JSON.stringify(result));
  } catch (error) {
    console.log(JSON.stringify({ ok: false, error: error.message }));
    process.exitCode = 1;
  } finally {
    origin?.stop();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
