// The server's part of SSH's authentication (RFC 4252) where keys are the only way in, and nobody has the right one.
import { MESSAGE, MessageReader, message, string } from './wire.ts';

/** What an authentication says to its connection. */
export interface AuthActions {
  send(payload: Buffer): void;
  disconnect(text: string): void;
  later(delayMs: number, act: () => void): void;
}

/** An authentication under way. */
export interface Auth {
  /** Answers a message; false when it is none that is expected here. Throws a `TunnelError` (`violation`). */
  take(type: number, payload: Buffer): boolean;
}

/** sshd's default of MaxAuthTries. */
const MOST_TRIES = 6;
/** sshd takes at least about this long over a try, so that nobody learns which users there are. */
const TRY_MS = 6;

export function startAuth(actions: AuthActions): Auth {
  let isAccepted = false;
  let attempts = 0;
  let failures = 0;
  const fail = () => {
    if (failures >= MOST_TRIES) actions.disconnect('Too many authentication failures');
    else actions.send(message(MESSAGE.userauthFailure, string('publickey'), Buffer.of(0)));
  };
  const serve = (payload: Buffer) => {
    const service = new MessageReader(payload).string().toString('latin1');
    isAccepted = service === 'ssh-userauth';
    if (isAccepted) actions.send(message(MESSAGE.serviceAccept, string(service)));
    else actions.disconnect(`bad service request ${service}`);
  };
  const attempt = (payload: Buffer) => {
    const reader = new MessageReader(payload);
    reader.string();
    reader.string();
    const isNone = reader.string().toString('latin1') === 'none';
    attempts += 1;
    if (!isNone || attempts > 1) failures += 1;
    if (isNone) fail();
    else actions.later(TRY_MS, fail);
  };
  return {
    take: (type, payload) => {
      if (type === MESSAGE.serviceRequest) serve(payload);
      else if (type === MESSAGE.userauthRequest && isAccepted) attempt(payload);
      else return false;
      return true;
    },
  };
}
