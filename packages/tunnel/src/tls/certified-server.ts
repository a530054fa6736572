import type { CancelTimer, Env } from '../env.ts';
import type { Conn } from '../network.ts';
import type { Certificates } from './certificates.ts';
import { CHALLENGE_ALPN, looksLikeChallenge } from './challenge-hello.ts';
import type { Identity } from './self-signed.ts';
import { createSecureServer, type SecureServer } from './server.ts';

/** What a server with a certificate of an authority needs. */
export interface CertifiedOptions {
  readonly name: string;
  readonly certificates: Certificates;
  /** What it shows as long as there is no other. */
  readonly fallback: Identity;
  readonly alpn: readonly string[];
  readonly onSecure: (conn: Conn) => void;
}

/** A TLS server whose certificate changes. */
export interface CertifiedServer extends SecureServer {
  /** Learns of no more certificates. */
  close(): void;
}

/** While an authority is expected, so long is waited for the first record of a hello; then the connection is anybody's. */
const LOOK_MS = 10_000;

/**
 * A TLS server that always shows the latest certificate. While an authority is expected to ask, and only then, it looks at the first record of
 * each connection, and answers those that ask by `acme-tls/1`; everyone else is in the same server as ever.
 */
export function createCertifiedServer(env: Env, options: CertifiedOptions): CertifiedServer {
  const { name, certificates, fallback, alpn, onSecure } = options;
  const current = () => certificates.stateOf(name).identity ?? fallback;
  let shown = current();
  const server = createSecureServer(shown, alpn, onSecure);
  const forget = certificates.onChange(() => {
    const next = current();
    if (next.certificate === shown.certificate) return;
    shown = next;
    server.setIdentity(next);
  });
  return {
    serve: (conn) => {
      const { challenge } = certificates.stateOf(name);
      if (challenge === null) server.serve(conn);
      else look(env, conn, (isChallenge) => (isChallenge ? answer(challenge) : server).serve(conn));
    },
    setIdentity: (identity) => server.setIdentity(identity),
    close: forget,
  };
}

/** Shows what was asked for, and is done. */
function answer(challenge: Identity): SecureServer {
  return createSecureServer(challenge, [CHALLENGE_ALPN], (conn) => {
    conn.resume();
    conn.end();
  });
}

/** Reads the first record, puts it back, and says what it is. */
function look(env: Env, conn: Conn, onSeen: (isChallenge: boolean) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  const settle = (isChallenge: boolean) => {
    cancel();
    conn.pause();
    conn.off('data', onData).off('end', onGone).off('error', ignoreError).off('close', onGone);
    if (bytes.length > 0) conn.unshift(bytes);
    onSeen(isChallenge);
  };
  const onData = (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    const verdict = looksLikeChallenge(bytes);
    if (verdict !== 'more') settle(verdict);
  };
  // Who leaves before its hello is whole gets no answer, as from any server.
  const onGone = () => {
    cancel();
    conn.destroy();
  };
  const cancel: CancelTimer = env.clock.setTimer(LOOK_MS, () => settle(false));
  conn.on('data', onData).on('end', onGone).on('error', ignoreError).on('close', onGone);
  conn.resume();
}

function ignoreError(): void {}
