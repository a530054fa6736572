import type { IncomingMessage } from 'node:http';
import type { Conn } from '@rozan/tunnel';
import { closeConn, joinConn } from './conn-ends.ts';
import { failureBytes, failureOfCode, type HttpFailure, responseHead } from './http-failure.ts';
import { parseAuthority } from './http-target.ts';
import { openStreamFor, type ProxyContext, resetCodeOfError } from './proxy-context.ts';

/** A request for which Node's server has let go of its connection. */
export interface HandedOver {
  readonly request: IncomingMessage;
  readonly conn: Conn;
  /** What the application has already sent behind the head. */
  readonly rest: Buffer;
}

/** Answers on a connection that Node's server no longer looks after, and closes it. */
export function refuseHandedOver(context: ProxyContext, { request, conn }: HandedOver, failure: HttpFailure): void {
  closeConn(conn, context.env.clock, failureBytes(failure, request.headers.accept));
}

/** Serves a CONNECT (RFC 9110 §9.3.6). The promise never rejects. */
export async function serveConnect(context: ProxyContext, handedOver: HandedOver): Promise<void> {
  const { request, conn, rest } = handedOver;
  const target = parseAuthority(request.url ?? '');
  if (!target) {
    refuseHandedOver(context, handedOver, 'bad-target');
    return;
  }
  try {
    const stream = await openStreamFor(context, conn, { target, untilOpened: context.strictReplies });
    conn.write(responseHead(200, [], 'Connection established'));
    if (rest.length > 0) conn.unshift(rest);
    joinConn(conn, stream, (code) => context.noteFailure('http', code, true));
  } catch (error) {
    const code = resetCodeOfError(error);
    context.noteFailure('http', code, false);
    refuseHandedOver(context, handedOver, failureOfCode(code));
  }
}
