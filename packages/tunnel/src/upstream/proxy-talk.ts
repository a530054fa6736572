import type { TunnelError } from '../errors.ts';
import type { Conn } from '../network.ts';

/** Where the proxy is to connect to: a literal address or a name, which the proxy then resolves. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/** What a proxy wants to see. Never to be logged. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** What follows from bytes of the proxy. */
export interface ProxyStep {
  /** To be sent to the proxy, in this order. */
  readonly send: readonly Buffer[];
  /** Bytes from the place behind the proxy, once it is connected; null before. */
  readonly leftover: Buffer | null;
}

/** A conversation with a proxy up to the moment when it has connected. */
export interface ProxyTalk {
  /** What is sent first. */
  start(): Buffer;
  /** Takes the next bytes from the proxy, in any pieces; not to be called again after it has given a leftover. Throws a `TunnelError`. */
  receive(chunk: Buffer): ProxyStep;
  /** What to call it when the proxy ends the connection before it has connected. */
  hungUp(): TunnelError;
}

/** Talks until the proxy has connected; gives what has come from behind it, and leaves the connection as if nobody had read. */
export function converse(conn: Conn, talk: ProxyTalk, signal: AbortSignal | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      conn.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      signal?.removeEventListener('abort', onAbort);
      conn.on('error', () => {});
      act();
    };
    const onEnd = () => settle(() => reject(talk.hungUp()));
    const onAbort = () => settle(() => reject(signal?.reason));
    // A stream that was read by `data` events and paused would not flow for whoever reads it next.
    const onReadable = () => {
      try {
        for (let chunk = conn.read(); chunk instanceof Buffer; chunk = conn.read()) {
          const { send, leftover } = talk.receive(chunk);
          for (const bytes of send) conn.write(bytes);
          if (leftover === null) continue;
          settle(() => resolve(leftover));
          return;
        }
      } catch (error) {
        settle(() => reject(error));
      }
    };
    conn.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onEnd);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    else if (conn.destroyed) onEnd();
    else conn.write(talk.start());
  });
}
