import { z } from 'zod';
import {
  type ClientState,
  doneSchema,
  type EntriesAdded,
  type Entry,
  entriesAddedSchema,
  entriesRequestSchema,
  entryLinkSchema,
  entryListSchema,
  type SettingsReply,
  type SettingsRequest,
  sessionReplySchema,
  sessionRequestSchema,
  settingsReplySchema,
  settingsRequestSchema,
  stateSchema,
  type Why,
  whySchema,
} from './api-types.ts';

/** What the requests of the API come to. Functions may throw an `ApiFailure`. */
export interface ApiActions {
  exchange(code: string): string;
  state(): ClientState;
  why(): Why;
  connect(): void;
  disconnect(): void;
  settings(): SettingsReply;
  changeSettings(request: SettingsRequest): Promise<SettingsReply>;
  entries(): readonly Entry[];
  addEntries(text: string): Promise<EntriesAdded>;
  linkOf(id: string): string;
}

/** What a request brings, unchecked. */
export interface RawRequest {
  readonly params: unknown;
  readonly body: unknown;
}

/** A request that the API takes. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** With `:name` for each of `params`. */
  readonly path: string;
  readonly summary: string;
  /** Whether it needs no token. */
  readonly isOpen: boolean;
  readonly params: z.ZodObject;
  /** Null where there is none. */
  readonly body: z.ZodObject | null;
  readonly reply: z.ZodType;
  /** Checks what was brought, does it, and gives the reply. Throws a `ZodError` or an `ApiFailure`. */
  run(actions: ApiActions, request: RawRequest): Promise<unknown>;
}

interface RouteSpec<P extends z.ZodObject, B extends z.ZodObject, R extends z.ZodType> {
  readonly method: ApiRoute['method'];
  readonly path: string;
  readonly summary: string;
  readonly isOpen?: boolean;
  readonly params?: P;
  readonly body?: B;
  readonly reply: R;
  readonly handle: (
    actions: ApiActions,
    input: { params: z.output<P>; body: z.output<B> },
  ) => z.input<R> | Promise<z.input<R>>;
}

const NOTHING = z.strictObject({});

function defineRoute<
  R extends z.ZodType,
  P extends z.ZodObject = typeof NOTHING,
  B extends z.ZodObject = typeof NOTHING,
>(spec: RouteSpec<P, B, R>): ApiRoute {
  const { method, path, summary, isOpen = false, body = null, reply } = spec;
  const params: z.ZodObject = spec.params ?? NOTHING;
  return {
    method,
    path,
    summary,
    isOpen,
    params,
    body,
    reply,
    run: async (actions, raw) => {
      // The defaults of the type parameters are what the schemas fall back to, which the compiler cannot see.
      const input = {
        params: params.parse(raw.params ?? {}) as z.output<P>,
        body: (body ?? NOTHING).parse(raw.body === undefined ? {} : raw.body) as z.output<B>,
      };
      return reply.parse(await spec.handle(actions, input));
    },
  };
}

const DONE = { done: true } as const;
const idParams = z.strictObject({ id: z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'the id of an entry') });

/** All requests but those for the stream of events and for this list itself. */
export const API_ROUTES: readonly ApiRoute[] = [
  defineRoute({
    method: 'POST',
    path: '/api/session',
    summary: 'exchange a one-time code for a token',
    isOpen: true,
    body: sessionRequestSchema,
    reply: sessionReplySchema,
    handle: (actions, { body }) => ({ token: actions.exchange(body.code) }),
  }),
  defineRoute({
    method: 'GET',
    path: '/api/state',
    summary: 'what the client does',
    reply: stateSchema,
    handle: (actions) => actions.state(),
  }),
  defineRoute({
    method: 'GET',
    path: '/api/why',
    summary: 'why it does not connect',
    reply: whySchema,
    handle: (actions) => actions.why(),
  }),
  defineRoute({
    method: 'POST',
    path: '/api/connect',
    summary: 'begin to connect',
    body: NOTHING,
    reply: doneSchema,
    handle: (actions) => {
      actions.connect();
      return DONE;
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/api/disconnect',
    summary: 'end all sessions',
    body: NOTHING,
    reply: doneSchema,
    handle: (actions) => {
      actions.disconnect();
      return DONE;
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/api/settings',
    summary: 'the settings, and when each acts',
    reply: settingsReplySchema,
    handle: (actions) => actions.settings(),
  }),
  defineRoute({
    method: 'PUT',
    path: '/api/settings',
    summary: 'change settings, all of those said or none',
    body: settingsRequestSchema,
    reply: settingsReplySchema,
    handle: (actions, { body }) => actions.changeSettings(body),
  }),
  defineRoute({
    method: 'GET',
    path: '/api/entries',
    summary: 'the server entries, without addresses',
    reply: entryListSchema,
    handle: (actions) => ({ entries: [...actions.entries()] }),
  }),
  defineRoute({
    method: 'POST',
    path: '/api/entries',
    summary: 'take the server entries of a text',
    body: entriesRequestSchema,
    reply: entriesAddedSchema,
    handle: (actions, { body }) => actions.addEntries(body.text),
  }),
  defineRoute({
    method: 'GET',
    path: '/api/entries/:id/link',
    summary: 'the link of an entry, to share it: a secret',
    params: idParams,
    reply: entryLinkSchema,
    handle: (actions, { params }) => ({ link: actions.linkOf(params.id) }),
  }),
];
