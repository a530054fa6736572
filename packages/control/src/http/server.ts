import { createServer, type Server } from 'node:http';
import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import type { Env } from '@rozan/tunnel';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ZodError } from 'zod';
import { type Database, isUnreachable, sqlState } from '../database/database.ts';
import { HTTP_BOUNDS } from '../limits.ts';
import { noteChange } from '../publication/note-change.ts';
import type { EntrySigner } from '../relays/entry-signer.ts';
import { writeAudit } from './audit.ts';
import { authenticate, NOBODY } from './authenticate.ts';
import { openApiDocument } from './open-api.ts';
import { HttpProblem, unauthorized } from './problem.ts';
import { type Caller, mayAsk, type Route, type RouteContext, type Site } from './route.ts';
import { csrfToken } from './tokens.ts';

const SESSION_COOKIE = 'rozan-session';
const CSRF_HEADER = 'x-rozan-csrf';
const BEARER = /^Bearer ([A-Za-z0-9_-]{1,100})$/i;

/** What `createHttp` needs. */
export interface HttpOptions {
  readonly routes: readonly Route[];
  readonly database: Database;
  readonly signer: EntrySigner;
  readonly site: () => Site;
  readonly version: string;
  /** Addresses of proxies whose word on who asks is taken. */
  readonly trustedProxies: readonly string[];
}

/** A server that has no socket: connections are handed to `server`. */
export interface Http {
  readonly app: FastifyInstance;
  readonly server: Server;
}

function bearerOf(request: FastifyRequest): string | null {
  const { authorization } = request.headers;
  if (authorization === undefined) return null;
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) throw unauthorized();
  return token;
}

/**
 * A page of somebody else's can have a browser send our cookie, but neither our header nor our origin. Throws a problem unless a request that changes
 * something and came with a cookie shows both.
 */
function expectOwnPage(request: FastifyRequest, session: string): void {
  const { origin } = request.headers;
  const isOwn = origin === undefined || origin === `${request.protocol}://${request.host}`;
  if (isOwn && request.headers[CSRF_HEADER] === csrfToken(session)) return;
  throw new HttpProblem(403, 'foreign-page', `a change has to come from our own page, with the header ${CSRF_HEADER}`);
}

async function callerOf(
  request: FastifyRequest,
  route: Route,
  options: HttpOptions & { nowMs: number },
): Promise<Caller> {
  const bearer = bearerOf(request);
  const session = request.cookies[SESSION_COOKIE] ?? null;
  const caller = await authenticate(options.database, { bearer, cookie: session }, options.nowMs);
  const isOpen = route.access.includes('anyone');
  if (caller === null || caller.kind === 'anyone') {
    if (isOpen) return NOBODY;
    throw unauthorized();
  }
  if (!mayAsk(route, caller.kind)) throw new HttpProblem(403, 'forbidden', 'that is not for you to do');
  if (bearer === null && session !== null && route.method !== 'GET') {
    expectOwnPage(request, session);
  }
  return caller;
}

function cookieSetter(reply: FastifyReply, site: Site): RouteContext['setSession'] {
  const attributes = {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: site.origin.startsWith('https:'),
  } as const;
  return (token) => {
    if (token === null) reply.clearCookie(SESSION_COOKIE, attributes);
    else reply.setCookie(SESSION_COOKIE, token, attributes);
  };
}

/** A route's action as the audit log calls it. */
function actionOf(route: Route): string {
  return route.command ?? `${route.method} ${route.path}`;
}

async function handle(env: Env, route: Route, options: HttpOptions & { request: FastifyRequest; reply: FastifyReply }) {
  const { request, reply, database, signer } = options;
  const nowMs = env.clock.wallMs();
  const caller = await callerOf(request, route, { ...options, nowMs });
  const site = options.site();
  const { params, query, body } = request;
  const setSession = cookieSetter(reply, site);
  const rest = { database, signer, caller, site, setSession, clock: env.clock, random: env.random };
  if (route.method === 'GET' || route.isOneStatement) {
    return (await route.run({ params, query, body }, { ...rest, queries: database })).reply;
  }
  return database.transaction(async (queries) => {
    const outcome = await route.run({ params, query, body }, { ...rest, queries });
    const { note } = outcome;
    if (note !== null) {
      await writeAudit(queries, { ...note, actor: caller.name, action: actionOf(route), atMs: nowMs });
    }
    if (route.changesPublication) await noteChange(queries, nowMs);
    return outcome.reply;
  });
}

function formProblem(error: ZodError): HttpProblem {
  const [issue] = error.issues;
  const place = issue === undefined || issue.path.length === 0 ? 'the request' : issue.path.map(String).join('.');
  return new HttpProblem(400, 'malformed', `${place}: ${issue?.message ?? 'not of its form'}`);
}

/** What a failure is to the caller. What is our own fault is not told more of. */
function problemOf(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof ZodError) return formProblem(error);
  if (isUnreachable(error)) {
    return new HttpProblem(503, 'database', 'the database cannot be reached at the moment; try again');
  }
  const state = sqlState(error);
  if (state === '23505') return new HttpProblem(409, 'conflict', 'there is one by that name already');
  if (state === '23503') return new HttpProblem(409, 'conflict', 'it belongs to something that is not there');
  if (state?.startsWith('22')) return new HttpProblem(400, 'malformed', 'a value is not one that can be kept');
  const { statusCode } = error as FastifyError;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new HttpProblem(statusCode, statusCode === 429 ? 'too-many' : 'malformed', 'the request was not understood');
  }
  return new HttpProblem(500, 'failed', 'something went wrong here; it has been logged');
}

function addErrorHandling(env: Env, app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500) {
      const reason = error instanceof Error ? error.name : 'unknown';
      env.log({
        event: 'request.failed',
        route: request.routeOptions.url ?? 'none',
        reason,
        code: sqlState(error) ?? problem.code,
      });
    }
    return reply.status(problem.status).send({ error: problem.code, message: problem.message });
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.status(404).send({ error: 'not-found', message: 'there is nothing here' }),
  );
}

/** Fastify's own logger would write addresses; what is worth a line goes to `env.log`. */
function createApp(options: HttpOptions): Http {
  const servers: Server[] = [];
  const app = fastify({
    logger: false,
    bodyLimit: HTTP_BOUNDS.bodyBytes,
    requestTimeout: HTTP_BOUNDS.requestMs,
    trustProxy: options.trustedProxies.length === 0 ? false : [...options.trustedProxies],
    serverFactory: (handler) => {
      const server = createServer({ requestTimeout: HTTP_BOUNDS.requestMs, maxHeaderSize: 16_384 }, handler);
      servers.push(server);
      return server;
    },
  });
  const [server] = servers;
  if (server === undefined) throw new Error('fastify has made no server');
  return { app, server };
}

/** Makes the HTTP side of a control plane. */
export async function createHttp(env: Env, options: HttpOptions): Promise<Http> {
  const http = createApp(options);
  const { app } = http;
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'self'"], frameAncestors: ["'none'"] } },
  });
  await app.register(cookie);
  await app.register(rateLimit, {
    max: HTTP_BOUNDS.perMinute,
    timeWindow: 60_000,
    cache: HTTP_BOUNDS.countedAddresses,
    // The local socket has no addresses.
    keyGenerator: ({ ip }) => ip ?? 'local',
    addHeaders: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
  });
  addErrorHandling(env, app);
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
  });
  const document = openApiDocument(options.routes, options.version);
  app.get('/openapi.json', async () => document);
  for (const route of options.routes) {
    app.route({
      method: route.method,
      url: route.path,
      config: route.isGuessable ? { rateLimit: { max: HTTP_BOUNDS.guessesPerMinute } } : {},
      handler: (request, reply) => handle(env, route, { ...options, request, reply }),
    });
  }
  await app.ready();
  return http;
}
