import type { Conn, Env, SocketAddress } from '@rozan/tunnel';
import { readHelloRecords, type TlsHello } from '../censor/tls-hello.ts';

/** A ClientHello that somebody has sent. */
export interface CapturedHello {
  /** The records, as they came. */
  readonly bytes: Buffer;
  readonly hello: TlsHello;
}

/** A place of loopback that takes the first ClientHello of whoever connects, and closes. */
export interface HelloTrap extends AsyncDisposable {
  readonly address: SocketAddress;
  /** Rejects with the signal's reason when none has come before. */
  first(signal: AbortSignal): Promise<CapturedHello>;
}

/** What is not whole after so many bytes is no hello. */
const MAX_HELLO_BYTES = 16_384;

/** Sets up a trap for one hello; what is no TLS is closed. */
export async function setHelloTrap(env: Env): Promise<HelloTrap> {
  const caught = Promise.withResolvers<CapturedHello>();
  const open = new Set<Conn>();
  const listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    open.add(conn);
    let bytes = Buffer.alloc(0);
    conn.on('close', () => open.delete(conn)).on('error', () => {});
    conn.on('data', (piece: Buffer) => {
      bytes = Buffer.concat([bytes, piece]);
      const hello = readHelloRecords(bytes);
      if (hello) caught.resolve({ bytes, hello });
      if (hello !== null || bytes.length > MAX_HELLO_BYTES) conn.destroy();
    });
  });
  return {
    address: listener.address,
    first: (signal) =>
      new Promise((resolve, reject) => {
        const onAbort = () => reject(signal.reason);
        signal.addEventListener('abort', onAbort, { once: true });
        if (signal.aborted) onAbort();
        void caught.promise.then((hello) => {
          signal.removeEventListener('abort', onAbort);
          resolve(hello);
        });
      }),
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      for (const conn of open) conn.destroy();
    },
  };
}
