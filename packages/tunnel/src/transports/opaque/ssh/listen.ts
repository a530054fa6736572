import type { CancelTimer, Env } from '../../../env.ts';
import type { Conn, Listener } from '../../../network.ts';
import type { TransportListenOptions } from '../../../transport.ts';
import { StrangerCount } from '../arrivals.ts';
import { type Declined, DressedConn } from '../dressed-conn.ts';
import { plainFraming } from '../framing.ts';
import { LOGIN_GRACE_MS } from '../limits.ts';
import { tagFits } from '../mark.ts';
import type { SshSettings } from '../settings.ts';
import { TAG_BYTES } from './dial.ts';
import { type HostKey, hostKeyOf } from './key-exchange.ts';
import { SshServer } from './server.ts';

interface Desk {
  readonly env: Env;
  readonly key: Buffer;
  readonly hostKey: HostKey;
  readonly onConn: (conn: Conn) => void;
}

/** Serves one connection as sshd does, until a flight of ours comes. */
function serve({ env, key, hostKey, onConn }: Desk, conn: Conn): void {
  const timers = new Set<CancelTimer>();
  const later = (delayMs: number, act: () => void) => {
    const cancel = env.clock.setTimer(delayMs, () => {
      timers.delete(cancel);
      act();
    });
    timers.add(cancel);
  };
  const stopTimers = () => {
    for (const cancel of timers) cancel();
    timers.clear();
  };
  const stop = () => {
    stopTimers();
    conn.off('data', onData).off('end', onEnd);
  };
  const close = (hasUnread: boolean) => {
    stop();
    conn.resume();
    if (hasUnread && conn.resetAndDestroy !== undefined) conn.write('', () => conn.resetAndDestroy?.());
    else conn.end(() => conn.destroy());
  };
  const takeOver = (data: Buffer, sessionId: Buffer, rest: Buffer): boolean => {
    const [tag, flight] = [data.subarray(0, TAG_BYTES), data.subarray(TAG_BYTES)];
    if (flight.length === 0 || !tagFits(key, sessionId, tag)) return false;
    stop();
    conn.pause();
    const onDecline = ({ seen, hasEnded }: Declined) => {
      watch();
      server.resume(seen.subarray(flight.length));
      if (hasEnded) onEnd();
      else conn.resume();
    };
    onConn(new DressedConn(conn, { ...plainFraming(), leftover: Buffer.concat([flight, rest]), onDecline }));
    return true;
  };
  const server = new SshServer(hostKey, (count) => env.random.bytes(count), {
    write: (bytes) => void conn.write(bytes),
    close,
    onIgnore: takeOver,
    later,
  });
  const onData = (bytes: Buffer) => server.receive(bytes);
  const onEnd = () => server.end();
  const watch = () => {
    conn.on('data', onData).on('end', onEnd);
    later(LOGIN_GRACE_MS, () => close(false));
  };
  conn.on('error', () => {});
  conn.once('close', stopTimers);
  watch();
  conn.resume();
}

/** Listens as a server of SSH: a first message under the keys that carries a flight of ours is handed on; nobody else gets in. */
export async function listenAsSsh(env: Env, options: TransportListenOptions<SshSettings>): Promise<Listener> {
  const { settings, onConn } = options;
  const strangers = new StrangerCount();
  const desk: Desk = {
    env,
    key: Buffer.from(settings.key, 'base64url'),
    hostKey: hostKeyOf(Buffer.from(settings.hostKey, 'base64url')),
    onConn,
  };
  return await env.network.listen(options.address, (conn) => {
    if (strangers.admit(conn)) serve(desk, conn);
  });
}
