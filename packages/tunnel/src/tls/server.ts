import { createServer, type TLSSocket } from 'node:tls';
import type { Conn } from '../network.ts';
import { TLS_READ_BYTES } from './lent-reads.ts';
import type { Identity } from './self-signed.ts';
import { wrapTls } from './wrap.ts';

/** Puts TLS on connections that others have accepted. */
export interface SecureServer {
  /** Takes a connection over; what is not TLS is answered and closed as Node's servers do. */
  serve(conn: Conn): void;
  /** Shows another certificate to those who come from now on. Throws an error of Node when key and certificate do not fit. */
  setIdentity(identity: Identity): void;
}

/** What Node keeps of what a TLS socket lies on, behind its types: a socket, or an object that holds any other stream. */
interface OnTop {
  readonly _parent?: Conn | undefined;
  readonly _handle?: { readonly _parentWrap?: { readonly stream?: Conn | undefined } | undefined } | null;
}

/** Until the handshake is over; a connection that is slower is closed. Node's own default. */
const HANDSHAKE_TIMEOUT_MS = 120_000;

/**
 * A TLS server without a port, for versions 1.2 (which some strangers have) and 1.3. `onSecure` gets each connection whose
 * handshake is over. Throws an error of Node when key and certificate do not fit.
 */
export function createSecureServer(
  { key, certificate }: Identity,
  alpn: readonly string[],
  onSecure: (conn: Conn) => void,
): SecureServer {
  const server = createServer({
    key,
    cert: certificate,
    ALPNProtocols: [...alpn],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    allowHalfOpen: true,
  });
  const buffer = Buffer.allocUnsafeSlow(TLS_READ_BYTES);
  server.on('secureConnection', (socket: TLSSocket) => {
    const under = connUnder(socket);
    socket.allowHalfOpen = true;
    under.allowHalfOpen = true;
    onSecure(wrapTls(socket, under, isOverSystem(socket) ? buffer : undefined));
  });
  server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());
  return {
    serve: (conn) => {
      // Whoever leaves before the handshake is over leaves for good: as long as this is false, an end is answered by an end.
      conn.allowHalfOpen = false;
      server.emit('connection', conn);
    },
    setIdentity: (identity) => server.setSecureContext({ key: identity.key, cert: identity.certificate }),
  };
}

function connUnder(socket: TLSSocket & OnTop): Conn {
  return socket._parent ?? socket._handle?._parentWrap?.stream ?? socket;
}

/** Whether it lies on a socket of the system, and not on a stream of JavaScript. */
function isOverSystem({ _handle }: TLSSocket & OnTop): boolean {
  const wrap = _handle?._parentWrap;
  return wrap !== undefined && wrap.stream === undefined;
}
