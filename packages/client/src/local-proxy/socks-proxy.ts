import { Readable } from 'node:stream';
import type { Conn, Target } from '@rozan/tunnel';
import { closeConn, joinConn, resetConn } from './conn-ends.ts';
import { SOCKS_HANDSHAKE_MS } from './limits.ts';
import { openStreamFor, type ProxyContext, resetCodeOfError } from './proxy-context.ts';
import { Socks5Machine, type SocksVersion, socksReply, socksReplyFor } from './socks5-machine.ts';
import { serveAssociation } from './udp-association.ts';

type SocksRequest =
  | { readonly type: 'connect'; readonly version: SocksVersion; readonly target: Target }
  | { readonly type: 'associate' };

/** Serves one application that speaks SOCKS. `conn` must have an error listener; the promise never rejects. */
export async function serveSocks(context: ProxyContext, conn: Conn): Promise<void> {
  const request = await readRequest(context, conn);
  if (!request) return;
  if (request.type === 'associate') {
    await serveAssociation(context, conn);
    return;
  }
  const { target, version } = request;
  try {
    const stream = await openStreamFor(context, conn, { target, untilOpened: context.strictReplies });
    conn.write(socksReply(version, 'succeeded'));
    joinConn(conn, stream, (code) => context.noteFailure('socks', code, true));
  } catch (error) {
    const code = resetCodeOfError(error);
    context.noteFailure('socks', code, false);
    closeConn(conn, context.env.clock, socksReply(version, socksReplyFor(code)));
  }
}

/** Speaks the handshake. Resolves with nothing once the application is refused, too slow, or gone. */
function readRequest(context: ProxyContext, conn: Conn): Promise<SocksRequest | undefined> {
  const { env } = context;
  const machine = new Socks5Machine();
  return new Promise((resolve) => {
    const settle = (request?: SocksRequest) => {
      cancelTimer();
      conn.off('data', onData);
      conn.off('end', onEnd);
      conn.off('close', onClose);
      resolve(request);
    };
    const refuse = (reason: string, lastBytes: Buffer) => {
      settle();
      env.log({ event: 'proxy.refused', proxy: 'socks', reason });
      closeConn(conn, env.clock, lastBytes);
    };
    const onData = (bytes: Buffer) => {
      for (const event of machine.receive(bytes)) {
        if (event.type === 'reply') conn.write(event.bytes);
        if (event.type === 'refused') refuse(event.reason, event.bytes);
        if (event.type !== 'connect' && event.type !== 'associate') continue;
        settle(event);
        // Only the stream: a socket's own `pause` would have the kernel told twice, and most streams are opened before more comes.
        Readable.prototype.pause.call(conn);
        if (event.type === 'connect' && event.rest.length > 0) conn.unshift(event.rest);
      }
    };
    const onEnd = () => refuse('ended-early', Buffer.alloc(0));
    const onClose = () => settle();
    const cancelTimer = env.clock.setTimer(SOCKS_HANDSHAKE_MS, () => {
      settle();
      env.log({ event: 'proxy.refused', proxy: 'socks', reason: 'too-slow' });
      resetConn(conn);
    });
    conn.on('data', onData);
    conn.on('end', onEnd);
    conn.on('close', onClose);
  });
}
