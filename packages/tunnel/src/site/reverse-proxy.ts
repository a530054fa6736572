import { type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import type { Env } from '../env.ts';
import type { SocketAddress } from '../network.ts';
import { UPSTREAM_SILENCE_MS } from './limits.ts';
import { replyStatus, type Site } from './reply.ts';

/** Headers that concern one connection only (RFC 9110 §7.6.1). */
const HOP_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** A site that another server makes: every request is handed on to it, one connection each. Upgrades are answered as ordinary requests. */
export function createProxySite(env: Env, upstream: SocketAddress): Site {
  return (request, response) => {
    env.network.dial(upstream).then(
      (conn) => forward(env, conn, { request, response }),
      () => replyStatus(request, response, 502),
    );
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function forward(env: Env, conn: Duplex, { request, response }: Exchange): void {
  const outgoing = openRequest({
    createConnection: () => conn,
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    headers: passedOn(request.rawHeaders),
    setHost: false,
  });
  const watch = watchSilence(env, () => outgoing.destroy());
  outgoing.on('response', (answer) => {
    watch.touch();
    answer.on('data', watch.touch);
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, passedOn(answer.rawHeaders));
    pipeline(answer, response, watch.stop);
  });
  outgoing.on('error', () => {
    watch.stop();
    replyStatus(request, response, 502);
  });
  outgoing.on('close', () => conn.destroy());
  response.on('close', () => {
    watch.stop();
    outgoing.destroy();
  });
  if (response.destroyed) outgoing.destroy();
  pipeline(request, outgoing, () => {});
}

function passedOn(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]];
    if (!HOP_HEADERS.has(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}

function watchSilence(env: Env, onSilence: () => void): { touch(): void; stop(): void } {
  let cancel = env.clock.setTimer(UPSTREAM_SILENCE_MS, onSilence);
  return {
    touch: () => {
      cancel();
      cancel = env.clock.setTimer(UPSTREAM_SILENCE_MS, onSilence);
    },
    stop: () => cancel(),
  };
}
