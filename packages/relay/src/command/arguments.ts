import { ProtocolError, parseHostPort } from '@rozan/protocol';
import { findTransport, parseAddress, type SocketAddress, TRANSPORTS, TunnelError } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import type { TransportAddress } from '../data-folder/relay-config.ts';
import { type AllowRule, parseAllowRule } from '../egress/guard.ts';

function split(option: string, text: string): { transport: string; rest: string } {
  const at = text.indexOf('=');
  const transport = text.slice(0, at);
  if (at < 1 || findTransport(transport) === null) {
    const names = TRANSPORTS.map(({ name }) => name).join(', ');
    throw new ProgramError(EXIT_CODE.usage, `${option} reads TRANSPORT=HOST:PORT; the transports are: ${names}`);
  }
  return { transport, rest: text.slice(at + 1) };
}

/** Reads `--listen TRANSPORT=HOST:PORT`; the host is an address of this machine. Throws a `ProgramError` (usage). */
export function listenOption(text: string): TransportAddress {
  const { transport, rest } = split('--listen', text);
  try {
    return { transport, address: parseAddress(rest) };
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

/** Whether an address can be reached from this machine only. */
export function isLoopback({ host }: SocketAddress): boolean {
  return host === '::1' || host.startsWith('127.');
}
