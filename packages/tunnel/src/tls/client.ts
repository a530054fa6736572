import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  type PeerCertificate,
  rootCertificates,
  type TLSSocket,
} from 'node:tls';
import type { Env } from '../env.ts';
import { TunnelError } from '../errors.ts';
import type { Conn, DialOptions } from '../network.ts';
import { type ClientHello, TUNED_NODE_HELLO } from './client-hello.ts';
import { pinOfDer } from './pin.ts';
import { wrapTls } from './wrap.ts';

/** How a client meets a server. */
export interface SecureClientOptions extends DialOptions {
  /** The name shown in the client hello; none where undefined. */
  readonly sni?: string | undefined;
  /** The certificate's pin; it then need not be vouched for, nor bear a name. */
  readonly pin?: string | undefined;
  /** Without a pin: the name that the certificate must bear; defaults to `sni`. */
  readonly certificateName?: string | undefined;
  /** Without a pin: authorities that may vouch for it, in PEM, beside the usual ones. */
  readonly roots?: string | undefined;
  /** Protocols to offer, the best first. */
  readonly alpn: readonly string[];
}

/**
 * Puts TLS 1.3 over a fresh connection, which it takes over. The seam for client hellos of other makes: whatever gives a `Conn` over TLS to
 * the same options can stand in its place.
 */
export type SecureClient = (conn: Conn, options: SecureClientOptions) => Promise<Conn>;

/** Node's TLS with a client hello of choice. */
export function createSecureClient(hello: ClientHello = TUNED_NODE_HELLO): SecureClient {
  return (conn, options) => secure(conn, hello, options);
}

/**
 * Connects, puts TLS on, and gives a connection that can be written to. Rejects with a `TunnelError` (`not-authentic` for a wrong certificate,
 * else as `Network.dial`) or the signal's reason; nothing stays open then.
 */
export async function dialSecure(
  env: Env,
  address: Parameters<Env['network']['dial']>[0],
  options: SecureClientOptions,
): Promise<Conn> {
  const conn = await env.network.dial(address, { signal: options.signal });
  return await createSecureClient()(conn, options);
}

function secure(conn: Conn, hello: ClientHello, options: SecureClientOptions): Promise<Conn> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      settle();
      socket.on('error', ignoreError);
      socket.destroy();
      conn.destroy();
      reject(error);
    };
    const onBroken = (cause?: Error) => fail(toTlsError(cause));
    const onAbort = () => fail(signal?.reason);
    const onSecure = () => {
      const failure = failureOf(socket, options);
      if (failure !== null) {
        fail(failure);
        return;
      }
      settle();
      resolve(wrapTls(socket, conn));
    };
    const settle = () => {
      socket.off('secureConnect', onSecure).off('error', onBroken).off('close', onBroken);
      signal?.removeEventListener('abort', onAbort);
    };
    const socket = connect({ ...hello, ...verificationOf(options), socket: conn, ALPNProtocols: [...options.alpn] });
    socket.once('secureConnect', onSecure).once('error', onBroken).once('close', onBroken);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}

function verificationOf({ sni, pin, certificateName, roots }: SecureClientOptions): ConnectionOptions {
  const shown = sni === undefined ? {} : { servername: sni };
  if (pin !== undefined) return { ...shown, rejectUnauthorized: false };
  const name = certificateName ?? sni ?? '';
  return {
    ...shown,
    ...(roots === undefined ? {} : { ca: [...rootCertificates, roots] }),
    rejectUnauthorized: true,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(name, certificate),
  };
}

/** Why the server will not do: only TLS 1.3 hides the certificate, and a pinned one must not be seen. */
function failureOf(socket: TLSSocket, { pin }: SecureClientOptions): TunnelError | null {
  if (socket.getProtocol() !== 'TLSv1.3') return new TunnelError('failed', 'the server does not speak TLS 1.3');
  const { raw } = socket.getPeerCertificate();
  const isExpected = pin === undefined ? socket.authorized : raw !== undefined && pinOfDer(raw) === pin;
  return isExpected ? null : new TunnelError('not-authentic', 'the certificate is not that of the entry');
}

const CERTIFICATE_ERRORS = /^(?:CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_)/;

/** Without what could tell an address or a name: Node puts them into its messages and properties. */
function toTlsError(cause: unknown): TunnelError {
  if (cause instanceof TunnelError) return cause;
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  if (CERTIFICATE_ERRORS.test(code)) return new TunnelError('not-authentic', 'nobody vouches for the certificate');
  return new TunnelError('failed', `the TLS handshake failed: ${/^[A-Z0-9_]+$/.test(code) ? code : 'closed'}`);
}

function ignoreError(): void {}
