import { TunnelError, type TunnelErrorCode } from '../../errors.ts';
import type { SocketAddress } from '../../network.ts';
import { Socks5Client, type Socks5Failures, type Socks5Login } from '../../upstream/socks5-client.ts';

/** The reply codes of RFC 1928 §6 in our words. */
const REPLIES: ReadonlyMap<number, TunnelErrorCode> = new Map<number, TunnelErrorCode>([
  [3, 'unreachable'],
  [4, 'unreachable'],
  [5, 'refused'],
  [6, 'timed-out'],
]);

const notSocks = () => new TunnelError('violation', 'the executable does not speak SOCKS5');

const FAILURES: Socks5Failures = {
  notSocks,
  noMethod: notSocks,
  wrongLogin: () => new TunnelError('bad-params', 'the executable refuses the arguments of its transport'),
  replied: (code) => new TunnelError(REPLIES.get(code) ?? 'failed', 'the pluggable transport did not connect'),
  hungUp: () => new TunnelError('failed', 'the pluggable transport closed the connection'),
};

/** Has a client executable connect; the login holds the arguments of its transport, and is all that is offered. */
export class SocksAnswers extends Socks5Client {
  constructor(request: { readonly target: SocketAddress; readonly login: Socks5Login | null }) {
    super({ ...request, isLoginOptional: false }, FAILURES);
  }
}
