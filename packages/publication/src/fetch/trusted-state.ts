import { PublicationError } from '../errors.ts';
import { MAX_KEPT_TARGETS } from '../limits.ts';
import { isObject } from '../metadata.ts';
import type { Storage } from '../storage/storage.ts';
import type { Span } from './freshness.ts';

const STATE_FILE = 'trusted.json';
const VERSION = 1;

/** A target that was checked and is in the store. */
export interface KeptTarget extends Span {
  /** Of the file in the store. */
  readonly sha256: string;
  readonly length: number;
  readonly custom: Readonly<Record<string, unknown>>;
}

/** What a client has checked. The metadata is a set that fits together, but for `floor`. */
export interface TrustedState {
  readonly root: Buffer;
  readonly timestamp: Buffer | null;
  readonly snapshot: Buffer | null;
  /** `targets` and delegated roles. */
  readonly roles: ReadonlyMap<string, Buffer>;
  /** A timestamp that is newer than the set, whose rest has not come yet: nothing older is taken any more. */
  readonly floor: Buffer | null;
  /** By path, or name of a list, in the order in which they were asked for last. */
  readonly kept: ReadonlyMap<string, KeptTarget>;
}

/** The state of a client that has nothing but the root that its brand brings. */
export function firstState(root: Buffer): TrustedState {
  return { root, timestamp: null, snapshot: null, roles: new Map(), floor: null, kept: new Map() };
}

/** Reads the state; null where there is none, or a damaged one. */
export async function readState(store: Storage): Promise<TrustedState | null> {
  const bytes = await store.read(STATE_FILE);
  return bytes === null ? null : parseState(bytes);
}

/** Writes the state as a whole. */
export async function writeState(store: Storage, state: TrustedState): Promise<void> {
  await store.write(STATE_FILE, formatState(state));
}

/** The state as it is kept. */
export function formatState(state: TrustedState): Buffer {
  const text = (bytes: Buffer | null) => bytes?.toString('utf8') ?? null;
  const json = {
    v: VERSION,
    root: text(state.root),
    timestamp: text(state.timestamp),
    snapshot: text(state.snapshot),
    floor: text(state.floor),
    roles: Object.fromEntries([...state.roles].map(([role, bytes]) => [role, text(bytes)])),
    kept: [...state.kept],
  };
  return Buffer.from(JSON.stringify(json));
}

/** Reads what `formatState` has written; null for anything else. */
export function parseState(bytes: Buffer): TrustedState | null {
  try {
    return stateOf(JSON.parse(bytes.toString('utf8')));
  } catch {
    return null;
  }
}

/** The state with one more target, as the one that was asked for last; and the files that nothing needs any more. */
export function withKept(
  state: TrustedState,
  name: string,
  target: KeptTarget,
): { readonly state: TrustedState; readonly useless: readonly string[] } {
  const kept = new Map(state.kept);
  kept.delete(name);
  kept.set(name, target);
  // Without its entries a client is lost: what partners publish must not push them out.
  const lesser = [...kept.keys()].filter((one) => one.startsWith('partners/'));
  for (const oldest of [...lesser, ...kept.keys()]) {
    if (kept.size <= MAX_KEPT_TARGETS) break;
    if (oldest !== name) kept.delete(oldest);
  }
  const needed = new Set([...kept.values()].map(({ sha256 }) => sha256));
  const useless = [...state.kept.values()].map(({ sha256 }) => sha256).filter((hash) => !needed.has(hash));
  return { state: { ...state, kept }, useless };
}

function stateOf(value: unknown): TrustedState {
  if (!isObject(value) || value.v !== VERSION || !isObject(value.roles) || !Array.isArray(value.kept)) throw damaged();
  const bytes = (text: unknown): Buffer | null => {
    if (text !== null && typeof text !== 'string') throw damaged();
    return text === null ? null : Buffer.from(text);
  };
  const root = bytes(value.root);
  if (root === null) throw damaged();
  return {
    root,
    timestamp: bytes(value.timestamp),
    snapshot: bytes(value.snapshot),
    floor: bytes(value.floor),
    roles: new Map(Object.entries(value.roles).map(([role, text]) => [role, bytes(text) ?? Buffer.alloc(0)])),
    kept: new Map(value.kept.map(parseKept)),
  };
}

function parseKept(entry: unknown): readonly [string, KeptTarget] {
  if (!Array.isArray(entry) || typeof entry[0] !== 'string' || !isObject(entry[1])) throw damaged();
  const { sha256, length, custom, issuedMs, expiresMs } = entry[1];
  const areNumbers = [length, issuedMs, expiresMs].every(Number.isSafeInteger);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256) || !areNumbers || !isObject(custom)) throw damaged();
  const numbers = { length: Number(length), issuedMs: Number(issuedMs), expiresMs: Number(expiresMs) };
  return [entry[0], { sha256, custom, ...numbers }];
}

function damaged(): PublicationError {
  return new PublicationError('storage', 'the stored state is damaged');
}
