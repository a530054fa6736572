import { ProtocolError, parseHostPort, parseIpAddress } from '@rozan/protocol';
import { findTransport, parseAddress, type SocketAddress, TRANSPORTS, TunnelError } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { CHANNEL_ID, type TransportAddress } from '../data-folder/relay-config.ts';
import { type AllowRule, parseAllowRule } from '../egress/guard.ts';
import { WORKER_BOUNDS } from '../limits/constants.ts';

function split(option: string, text: string): { transport: string; rest: string } {
  const at = text.indexOf('=');
  const transport = text.slice(0, at);
  if (at < 1 || findTransport(transport) === null) {
    const names = TRANSPORTS.map(({ name }) => name).join(', ');
    throw new ProgramError(EXIT_CODE.usage, `${option} reads TRANSPORT=HOST:PORT; the transports are: ${names}`);
  }
  return { transport, rest: text.slice(at + 1) };
}

/** A place to listen at, and what is chosen of its transport. */
export interface ListenOption extends TransportAddress {
  readonly options: Readonly<Record<string, string>>;
}

/**
 * Reads `--listen TRANSPORT=HOST:PORT`, perhaps with `,OPTION=VALUE` behind it; the host is an address of this machine.
 * Throws a `ProgramError` (usage).
 */
export function listenOption(text: string): ListenOption {
  const { transport, rest } = split('--listen', text);
  const [place = '', ...chosen] = rest.split(',');
  const options = chosen.map((option) => {
    const at = option.indexOf('=');
    return at < 0 ? ([option, ''] as const) : ([option.slice(0, at), option.slice(at + 1)] as const);
  });
  try {
    return { transport, address: parseAddress(place), options: Object.fromEntries(options) };
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    throw new ProgramError(EXIT_CODE.usage, `--listen: ${cause.message}`, { cause });
  }
}

/** Reads `--address TRANSPORT=HOST:PORT`; the host may be a name. Throws a `ProgramError` (usage). */
export function entryAddressOption(text: string): TransportAddress {
  const { transport, rest } = split('--address', text);
  try {
    return { transport, address: parseHostPort(rest) };
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new ProgramError(EXIT_CODE.usage, `--address: ${cause.message}`, { cause });
  }
}

/** Reads `--egress-allow CIDR` or `CIDR:PORT`. Throws a `ProgramError` (usage). */
export function allowOption(text: string): AllowRule {
  const rule = parseAllowRule(text);
  if (rule === null) {
    throw new ProgramError(
      EXIT_CODE.usage,
      '--egress-allow takes a network such as 10.0.0.0/8, and a port behind a colon if only one is meant',
    );
  }
  return rule;
}

/** Reads `--channel ID`. Throws a `ProgramError` (usage). */
export function channelOption(text: string): string {
  if (CHANNEL_ID.test(text)) return text;
  throw new ProgramError(EXIT_CODE.usage, "--channel takes 1 to 32 letters, digits, '-' or '_'");
}

function isAddressWithPort(text: string): boolean {
  try {
    return parseAddress(text).port !== 0;
  } catch {
    return false;
  }
}

/** Reads `--dns ADDRESS`, with a port or without. Throws a `ProgramError` (usage). */
export function dnsOption(text: string): string {
  if (parseIpAddress(text) !== undefined || isAddressWithPort(text)) return text;
  throw new ProgramError(
    EXIT_CODE.usage,
    '--dns takes the address of a name server, such as 192.0.2.53 or [2001:db8::53]:5353',
  );
}

/** Whether this process runs on Bun, where one process cannot hand on the connections that it accepts. */
export function isOnBun(): boolean {
  return process.versions.bun !== undefined;
}

/** Reads `--workers N`. Throws a `ProgramError` (usage). */
export function workersOption(text: string): number {
  const workers = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
  if (workers > 1 && isOnBun()) {
    throw new ProgramError(EXIT_CODE.usage, 'on Bun a relay has one worker', {
      remedy: 'Run it on Node to have more.',
    });
  }
  if (workers >= 1 && workers <= WORKER_BOUNDS.workers) return workers;
  throw new ProgramError(EXIT_CODE.usage, `--workers takes a number from 1 to ${WORKER_BOUNDS.workers}`);
}

/** Whether an address can be reached from this machine only. */
export function isLoopback({ host }: SocketAddress): boolean {
  return host === '::1' || host.startsWith('127.');
}
