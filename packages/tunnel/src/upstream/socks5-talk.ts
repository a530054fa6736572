import { TunnelError, type TunnelErrorCode } from '../errors.ts';
import type { Credentials, ProxyTarget } from './proxy-talk.ts';
import { Socks5Client, type Socks5Failures } from './socks5-client.ts';

/** What the replies of RFC 1928 §6 mean for us. */
const REPLIES: ReadonlyMap<number, readonly [TunnelErrorCode, string]> = new Map([
  [1, ['proxy-failed', 'the upstream proxy has failed']],
  [2, ['proxy-denied', 'the upstream proxy refuses to connect there']],
  [3, ['unreachable', 'the upstream proxy finds no way there']],
  [4, ['unreachable', 'the upstream proxy finds no way there']],
  [5, ['refused', 'the connection was refused, says the upstream proxy']],
  [6, ['timed-out', 'the upstream proxy has waited in vain']],
  [7, ['proxy-denied', 'the upstream proxy does not connect for others']],
  [8, ['proxy-denied', 'the upstream proxy does not know such addresses']],
]);

const wantsLogin = () =>
  new TunnelError('proxy-login', 'the upstream proxy wants a user name and a password, or others');

const FAILURES: Socks5Failures = {
  notSocks: () => new TunnelError('proxy-failed', 'the upstream proxy does not speak SOCKS5'),
  noMethod: wantsLogin,
  wrongLogin: wantsLogin,
  replied: (reply) => {
    const [code, message] = REPLIES.get(reply) ?? REPLIES.get(1) ?? ['proxy-failed', ''];
    return new TunnelError(code, message);
  },
  hungUp: () => new TunnelError('proxy-failed', 'the upstream proxy has hung up'),
};

/** Asks a SOCKS5 proxy for a connection. Its failures: `proxy-failed`, `proxy-denied`, `proxy-login`, `refused`, `unreachable`, `timed-out`. */
export class Socks5Talk extends Socks5Client {
  constructor(target: ProxyTarget, credentials: Credentials | null) {
    const login = credentials && {
      user: Buffer.from(credentials.user, 'utf8'),
      password: Buffer.from(credentials.password, 'utf8'),
    };
    super({ target, login, isLoginOptional: true }, FAILURES);
  }
}
