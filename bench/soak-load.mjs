// What applications do during a soak: downloads and uploads of all sizes, conversations, many short streams, and some that idle. Every
// byte is compared, and whatever an application would have seen go wrong is noted.
import { randomBytes } from 'node:crypto';
import { parseProxy } from './dial.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, integrity.d.mts, imported.
import { runEcho, runTransfer } from './integrity.mjs';
import { pause } from './launch.mjs';
import { open } from './measures.mjs';

/** At 64 kbit/s for all, a stream may have to wait for its turn. */
const STALL_MS = 600_000;
const IDLE_STREAMS = 24;
const IDLE_LOOK_MS = 1500;
const LARGEST_MB = 20;
const SMALLEST_MB = 0.02;
const SHORT_MB = 0.004;
/** The known sequence repeats itself after a million bytes or so. */
const POSITIONS = 1_000_000;
const MOST_FAULTS = 20;

const spread = (most) => Math.floor(Math.random() * most);
/** A size between the two, each order of magnitude as likely as any other. */
const someMegabytes = () => SMALLEST_MB * (LARGEST_MB / SMALLEST_MB) ** Math.random();

/** A stream that idles, and answers when it is asked. */
async function openIdle(path) {
  const stream = await open({ chain: [parseProxy(path.socks)], origin: { port: path.originPort } }, STALL_MS);
  stream.write('GET /hold HTTP/1.1\r\nHost: origin\r\n\r\n');
  await stream.readHead();
  return stream;
}

async function askIdle(stream) {
  const asked = randomBytes(1 + spread(64));
  stream.write(asked);
  const answer = await stream.read(asked.length);
  if (!answer.equals(asked)) throw new Error('an idle stream answered with wrong bytes');
}

/** Runs all of it from the start until `finish`. */
export class Load {
  moved = { down: 0, up: 0, echoed: 0 };
  streams = 0;
  faults = [];
  #path;
  #isOver = false;
  #workers;

  constructor(path) {
    this.#path = path;
    const transfer = (direction) => () => this.#transfer(direction, someMegabytes());
    this.#workers = [
      ...['down', 'down', 'up', 'up'].map((direction) => this.#repeat(transfer(direction), 500)),
      ...['down', 'up'].map((direction) => this.#repeat(() => this.#transfer(direction, SHORT_MB), 300)),
      ...[5, 30].map((seconds) => this.#repeat(() => this.#echo(1 + spread(seconds)), 500)),
      this.#idle(),
    ];
  }

  #note(error) {
    this.faults.push(error.message);
    if (this.faults.length >= MOST_FAULTS) this.#isOver = true;
  }

  /** Does it again and again, with pauses of up to `mostPauseMs`. */
  async #repeat(action, mostPauseMs) {
    while (!this.#isOver) {
      this.streams += 1;
      await action().catch((error) => this.#note(error));
      await pause(spread(mostPauseMs));
    }
  }

  async #transfer(direction, mb) {
    const options = { mb, directions: [direction], from: spread(POSITIONS), stallMs: STALL_MS };
    const [{ bytes }] = await runTransfer({ ...this.#path, ...options });
    this.moved[direction] += bytes;
  }

  async #echo(seconds) {
    const { bytes } = await runEcho({ ...this.#path, seconds, stallMs: STALL_MS });
    this.moved.echoed += bytes;
  }

  /** Keeps streams that idle, asks one of them now and then, and puts a new one in its place at times. */
  async #idle() {
    const streams = [];
    const replace = async (index) => {
      streams[index]?.destroy();
      this.streams += 1;
      streams[index] = await openIdle(this.#path);
    };
    const doOne = async () => {
      const index = spread(IDLE_STREAMS);
      if (streams[index] === undefined || Math.random() < 0.1) await replace(index);
      else await askIdle(streams[index]);
    };
    while (!this.#isOver) {
      await doOne().catch((error) => this.#note(error));
      await pause(spread(2 * IDLE_LOOK_MS));
    }
    for (const stream of streams.filter(Boolean)) {
      await askIdle(stream).catch((error) => this.#note(error));
      stream.destroy();
    }
  }

  /** Begins nothing new; resolves when all that is under way has ended, or rejects after `withinMs`. */
  async finish(withinMs) {
    this.#isOver = true;
    let timer;
    const late = new Promise((_resolve, reject) => {
      timer = setTimeout(reject, withinMs, new Error(`streams are still under way ${withinMs / 1000} s after the end`));
    });
    await Promise.race([Promise.all(this.#workers), late]).finally(() => clearTimeout(timer));
  }
}
