import { TunnelError } from '../../errors.ts';
import { REQUEST_AGENTS, type RequestAgent, type RequestLook } from './http/request.ts';
import { MAX_DELAY_MS } from './limits.ts';
import { MARK_KEY_BYTES } from './mark.ts';
import { ALPNS, type HelloLook } from './tls/hello.ts';

/** What a client has to know of a listener whose connections begin like another protocol's. */
export interface Prefixed {
  /** Base64url of 32 bytes: by it the listener knows a client's first message from a stranger's. */
  readonly key: string;
  /** A client waits a random time below this, in milliseconds, before it says its first words. */
  readonly delayMs: number;
}

/** Bare: uniform bytes from the first on. */
export interface BareParams {
  readonly prefix?: undefined;
  /** As with a prefix. */
  readonly delayMs: number;
}

/** A request with a body without a declared length, and its answer. */
export interface HttpParams extends Prefixed, RequestLook {
  readonly prefix: 'http';
  /** What `Host` says; null for the address that was dialled. */
  readonly host: string | null;
}

/** The handshake of the SSH transport layer. */
export interface SshParams extends Prefixed {
  readonly prefix: 'ssh';
}

/** The handshake of TLS 1.3. */
export interface TlsParams extends Prefixed, HelloLook {
  readonly prefix: 'tls';
}

/** What a client needs to know beyond the address. */
export type OpaqueParams = BareParams | HttpParams | SshParams | TlsParams;

/** A JSON object from outside. */
export type Members = Readonly<Record<string, unknown>>;

const HOST = /^(?=.{1,150}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const PATH = /^\/[A-Za-z0-9/_.-]{1,100}$/;
const COOKIE = /^[A-Za-z][A-Za-z0-9_-]{0,30}$/;

function isHost(value: unknown): value is string {
  return typeof value === 'string' && HOST.test(value);
}

function isAgent(value: unknown): value is RequestAgent {
  return REQUEST_AGENTS.some((agent) => agent === value);
}

function refuse(what: string): never {
  throw new TunnelError('bad-params', `the params of this transport have no ${what} that this version can use`);
}

/** A name as hosts have; throws otherwise. */
export function hostNameOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return isHost(value) ? value : refuse('host');
}

/** The members of what has to be an object. Throws a `TunnelError` (`bad-params`). */
export function membersOf(input: unknown): Members {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return { ...input };
  throw new TunnelError('bad-params', 'the params of this transport are an object');
}

function delayOf(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= MAX_DELAY_MS) return value;
  return refuse('delayMs');
}

function parsePrefixed({ key, delayMs }: Members): Prefixed {
  if (typeof key !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(key)) refuse('key');
  if (Buffer.from(key, 'base64url').length !== MARK_KEY_BYTES) refuse('key');
  return { key, delayMs: delayOf(delayMs) };
}

function parseHttp(members: Members): HttpParams {
  const { agent, path, cookie, host } = members;
  if (!isAgent(agent)) refuse('agent');
  if (typeof path !== 'string' || !PATH.test(path)) refuse('path');
  if (typeof cookie !== 'string' || !COOKIE.test(cookie)) refuse('cookie');
  return { prefix: 'http', ...parsePrefixed(members), host: hostNameOf(host), agent, path, cookie };
}

function parseTls(members: Members): TlsParams {
  const alpn = ALPNS.find((name) => name === members.alpn);
  return { prefix: 'tls', ...parsePrefixed(members), host: hostNameOf(members.host), alpn: alpn ?? refuse('alpn') };
}

/** Takes an object; members that it does not know are ignored (docs/spec/transport-opaque.md). Throws a `TunnelError` (`bad-params`). */
export function parseOpaqueParams(input: unknown): OpaqueParams {
  const members = membersOf(input);
  switch (members.prefix) {
    case undefined:
      // Entries of version 0.1 have none.
      return Object.freeze({ delayMs: delayOf(members.delayMs ?? 0) });
    case 'http':
      return Object.freeze(parseHttp(members));
    case 'ssh':
      return Object.freeze({ prefix: 'ssh', ...parsePrefixed(members) });
    case 'tls':
      return Object.freeze(parseTls(members));
    default:
      return refuse('prefix');
  }
}
