import { randomBytes } from 'node:crypto';
import type { CancelTimer, Clock, Env, Log, Random } from './env.ts';
import { createNetwork, type Network } from './network.ts';
import { createBunNetwork, findBunSockets } from './network-bun.ts';

/** The longest delay that `setTimeout` takes; it fires at once for longer ones. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** 2^48: as many values as `fraction` can give. */
const FRACTION_STEPS = 0x1_0000_0000_0000;

const FRACTION_BYTES = 6;
const FRACTIONS_AT_ONCE = 512;

/** What `createEnv` takes from outside. */
export interface EnvOptions {
  readonly log: Log;
  /** Defaults to this machine's sockets. */
  readonly network?: Network | undefined;
}

/** The real thing: this machine's clock, sockets and cryptographic randomness. */
export function createEnv(options: EnvOptions): Env {
  return {
    network: options.network ?? createSystemNetwork(),
    clock: createClock(),
    random: createRandom(),
    log: options.log,
  };
}

/** TCP has to come from Bun's own sockets where this process runs on Bun. */
function createSystemNetwork(): Network {
  const bun = findBunSockets();
  return bun === null ? createNetwork() : createBunNetwork(bun, createNetwork());
}

function createClock(): Clock {
  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer,
  };
}

function setTimer(delayMs: number, callback: () => void): CancelTimer {
  let remainingMs = delayMs;
  let timeout: NodeJS.Timeout;
  const arm = () => {
    const stepMs = Math.min(remainingMs, MAX_TIMEOUT_MS);
    remainingMs -= stepMs;
    timeout = setTimeout(() => (remainingMs > 0 ? arm() : callback()), stepMs);
    timeout.unref();
  };
  arm();
  return () => clearTimeout(timeout);
}

function createRandom(): Random {
  // Fractions are drawn for every small record: many at a time cost one call of the generator.
  let pool = Buffer.alloc(0);
  let used = 0;
  return {
    bytes: (count) => randomBytes(count),
    fraction: () => {
      if (used + FRACTION_BYTES > pool.length) {
        pool = randomBytes(FRACTIONS_AT_ONCE * FRACTION_BYTES);
        used = 0;
      }
      used += FRACTION_BYTES;
      return pool.readUIntBE(used - FRACTION_BYTES, FRACTION_BYTES) / FRACTION_STEPS;
    },
  };
}
