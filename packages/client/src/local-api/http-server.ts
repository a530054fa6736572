import { createServer, type Server } from 'node:http';
import type { CancelTimer, Conn, Env, Listener, SocketAddress } from '@rozan/tunnel';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ZodError } from 'zod';
import type { AccessKeys } from './access-keys.ts';
import { ApiFailure } from './api-error.ts';
import { API_ROUTES, type ApiActions, type ApiRoute } from './api-routes.ts';
import { API_BOUNDS, type ApiError } from './api-types.ts';
import type { AppFile } from './app-files.ts';
import type { EventStreams } from './event-streams.ts';
import { MAX_CONNECTIONS, MAX_HEAD_BYTES, REQUEST_MS } from './limits.ts';
import { openApiDocument } from './open-api.ts';
import { expectOwnRequest, ownHosts, tokenOf } from './request-guard.ts';

const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** What `serveApi` takes. */
export interface ApiServerOptions {
  /** A loopback address. */
  readonly address: SocketAddress;
  readonly keys: AccessKeys;
  readonly actions: ApiActions;
  readonly streams: EventStreams;
  readonly files: ReadonlyMap<string, AppFile>;
  readonly version: string;
}

/** Marks routes that need no token. */
const OPEN = { isOpen: true } as const;
/** The route of the app's files. */
const APP_FILES = '/*';

function failureOf(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  if (error instanceof ZodError) {
    const [issue] = error.issues;
    const place = issue === undefined || issue.path.length === 0 ? 'the request' : issue.path.map(String).join('.');
    return new ApiFailure('malformed', `${place}: ${issue?.message ?? 'not of its form'}`);
  }
  const { statusCode = 500 } = error as FastifyError;
  const isTheirs = statusCode >= 400 && statusCode < 500;
  if (isTheirs) return new ApiFailure('malformed', 'the request was not understood', { status: statusCode });
  return new ApiFailure('failed', 'something went wrong here; it has been logged');
}

function errorBody({ code, message }: ApiFailure): ApiError {
  return { error: { code, message } };
}

/** Of a reply that a schema of ours refuses it is we who are wrong. */
async function runRoute(route: ApiRoute, actions: ApiActions, { params, body }: FastifyRequest): Promise<unknown> {
  return await route.run(actions, { params, body });
}

function addErrorHandling(env: Env, app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const failure = failureOf(error);
    if (failure.status === 500) env.log({ event: 'api.failed', route: request.routeOptions.url ?? 'none' });
    return reply.status(failure.status).send(errorBody(failure));
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.status(404).send(errorBody(new ApiFailure('not-found', 'there is nothing here'))),
  );
}

/** Nothing is looked at of a request before it is known to be ours. */
function addGuards(
  app: FastifyInstance,
  keys: AccessKeys,
  options: { hosts: () => ReadonlySet<string>; trust: (conn: Conn) => void },
): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    const { config, url } = request.routeOptions;
    expectOwnRequest(request.headers, options.hosts(), request.method === 'GET' && url === APP_FILES);
    if (request.is404 || ('isOpen' in config && config.isOpen === true)) return;
    const token = tokenOf(request.headers);
    if (token === null || !keys.isToken(token)) {
      throw new ApiFailure('unauthorized', 'a token is needed: open the app from its link');
    }
    options.trust(request.raw.socket);
  });
  app.addHook('preParsing', async (request, _reply, payload) => {
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead && type !== 'application/json') {
      throw new ApiFailure('malformed', 'a body is application/json', { status: 415 });
    }
    return payload;
  });
}

function sendFile(files: ReadonlyMap<string, AppFile>, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? '';
  const file = files.get(path);
  if (file === undefined) throw new ApiFailure('not-found', 'there is nothing here');
  if (file.isLasting) reply.header('cache-control', 'private, max-age=31536000, immutable');
  return reply.type(file.contentType).send(file.bytes);
}

function addRoutes(app: FastifyInstance, { actions, streams, files, version }: ApiServerOptions): void {
  for (const route of API_ROUTES) {
    app.route({
      method: route.method,
      url: route.path,
      config: { isOpen: route.isOpen },
      handler: (request) => runRoute(route, actions, request),
    });
  }
  app.get('/api/events', { exposeHeadRoute: false }, (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { ...SECURITY_HEADERS, 'content-type': 'application/x-ndjson; charset=utf-8' });
    streams.add(reply.raw);
  });
  const document = openApiDocument(API_ROUTES, version);
  app.get('/api/openapi.json', async () => document);
  app.get(APP_FILES, { config: OPEN }, (request, reply) => sendFile(files, request, reply));
}

function createApp(options: ApiServerOptions): { readonly app: FastifyInstance; readonly server: Server } {
  const server = createServer({ maxHeaderSize: MAX_HEAD_BYTES });
  const app = fastify({
    logger: false,
    bodyLimit: API_BOUNDS.bodyBytes,
    // Requests wait for the deadline of their connection.
    requestTimeout: 0,
    return503OnClosing: false,
    serverFactory: (handler) => server.on('request', handler),
    frameworkErrors: (_error, _request, reply) => {
      reply.raw.writeHead(400, { ...SECURITY_HEADERS, 'content-type': 'application/json' });
      reply.raw.end(JSON.stringify(errorBody(new ApiFailure('malformed', 'not a path'))));
    },
    clientErrorHandler: (_error, conn) => conn.destroy(),
  });
  app.removeContentTypeParser('text/plain');
  addRoutes(app, options);
  return { app, server };
}

/** The connections there are. Who dawdles, and who holds many without a token, has to go. */
class ConnKeeper {
  readonly #env: Env;
  readonly #deadlines = new Map<Conn, CancelTimer>();
  readonly #trusted = new WeakSet<Conn>();

  constructor(env: Env) {
    this.#env = env;
  }

  admit(conn: Conn): void {
    conn.on('error', () => conn.destroy());
    this.expectRequest(conn);
    conn.once('close', () => {
      this.#deadlines.get(conn)?.();
      this.#deadlines.delete(conn);
    });
    if (this.#deadlines.size <= MAX_CONNECTIONS) return;
    const oldest = [...this.#deadlines.keys()].find((other) => !(other.destroyed || this.#trusted.has(other)));
    (oldest ?? conn).destroy();
  }

  trust(conn: Conn): void {
    this.#trusted.add(conn);
  }

  /** From now on a whole request has to come within `REQUEST_MS`. */
  expectRequest(conn: Conn): void {
    this.#deadlines.get(conn)?.();
    this.#deadlines.set(
      conn,
      this.#env.clock.setTimer(REQUEST_MS, () => conn.destroy()),
    );
  }

  noteRequest(conn: Conn): void {
    this.#deadlines.get(conn)?.();
  }

  clear(): void {
    for (const conn of this.#deadlines.keys()) conn.destroy();
  }
}

/** Serves the app and its API until the listener is closed. Rejects with a `TunnelError` if it cannot listen. */
export async function serveApi(env: Env, options: ApiServerOptions): Promise<Listener> {
  const { app, server } = createApp(options);
  const conns = new ConnKeeper(env);
  let hosts: ReadonlySet<string> = new Set();
  addErrorHandling(env, app);
  addGuards(app, options.keys, { hosts: () => hosts, trust: (conn) => conns.trust(conn) });
  server.on('request', (request, response) => {
    const { socket } = request;
    const hasBody =
      request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
    if (hasBody) request.once('end', () => conns.noteRequest(socket));
    else conns.noteRequest(socket);
    response.once('finish', () => {
      if (!socket.destroyed) conns.expectRequest(socket);
    });
  });
  await app.ready();
  const listener = await env.network.listen(options.address, (conn) => {
    conns.admit(conn);
    if (!conn.destroyed) server.emit('connection', conn);
  });
  hosts = ownHosts(listener.address);
  return {
    address: listener.address,
    close: async () => {
      const closing = listener.close();
      conns.clear();
      await closing;
      await app.close();
    },
  };
}
