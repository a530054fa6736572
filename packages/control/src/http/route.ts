import type { Clock, Random } from '@rozan/tunnel';
import { z } from 'zod';
import type { Database, Queries } from '../database/database.ts';
import type { EntrySigner } from '../relays/entry-signer.ts';

/** The roles that an account can have. */
export const ROLES = ['operator', 'analyst', 'partner'] as const;
export type Role = (typeof ROLES)[number];

/**
 * Who may ask. `anyone` is everybody; `setup` came by a one-time link and chooses what to log in with; `relay` is an enrolled relay.
 */
export type CallerKind = 'anyone' | 'setup' | 'relay' | Role;

/** Who asks. */
export interface Caller {
  readonly kind: CallerKind;
  /** For the audit log. */
  readonly name: string;
  /** Null for those that are no accounts. */
  readonly account: string | null;
  /** The id of a relay; null for all others. */
  readonly relay: string | null;
  /** Of the session that the request came with; null where there is none. */
  readonly session: Buffer | null;
  /** What is kept of the credential that a relay has shown; null for all others. */
  readonly credential: Buffer | null;
}

/** What this control plane is, as far as routes may know. */
export interface Site {
  /** By which people reach it, without a slash at the end. */
  readonly origin: string;
  /** The name of a host, for passkeys. */
  readonly host: string;
}

/** What a handler may use. */
export interface RouteContext {
  /** Of a transaction, which is committed before the reply goes out. */
  readonly queries: Queries;
  /** Outside of the transaction: for what has to stay when a request is refused. */
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly caller: Caller;
  readonly site: Site;
  readonly signer: EntrySigner;
  /** Has the reply set the session's cookie; null clears it. */
  readonly setSession: (token: string | null) => void;
}

/** What a request holds once it is parsed. */
export interface RouteInput<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

/** What the audit log is told of a request, beside who, what and when. */
export interface AuditNote {
  readonly subject: string;
  readonly details?: { readonly [name: string]: unknown };
}

type Shape = z.ZodObject;

/** A route as it is written; `defineRoute` makes it one like all others. */
export interface RouteSpec<P extends Shape, Q extends Shape, B extends Shape, R extends z.ZodType> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` for each of `params`. */
  readonly path: string;
  /** How the command line calls it, in words; null for what only programs and browsers use. */
  readonly command: string | null;
  readonly summary: string;
  readonly access: readonly CallerKind[];
  /** Somebody could guess by it: it is answered rarely. */
  readonly isGuessable?: boolean;
  /** What it changes, it changes in one statement, which needs no transaction; nothing is written down of it. */
  readonly isOneStatement?: boolean;
  /** What it changes may be in the publication. */
  readonly changesPublication?: boolean;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly reply: R;
  /** Null for what is not written down. Without, a change is noted under the values of its params. */
  readonly audit?: ((input: RouteInput<z.output<P>, z.output<Q>, z.output<B>>, reply: z.output<R>) => AuditNote) | null;
  readonly handle: (
    input: RouteInput<z.output<P>, z.output<Q>, z.output<B>>,
    context: RouteContext,
  ) => Promise<z.input<R>>;
}

/** Values as a request brings them. */
export interface RawInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** What a handled request has come to. */
export interface Outcome {
  readonly reply: unknown;
  /** Null where nothing is to be written down. */
  readonly note: AuditNote | null;
}

/** A route, whatever it takes and gives. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly command: string | null;
  readonly summary: string;
  readonly access: readonly CallerKind[];
  readonly isGuessable: boolean;
  readonly isOneStatement: boolean;
  readonly changesPublication: boolean;
  readonly params: Shape;
  readonly query: Shape;
  /** Null where there is none. */
  readonly body: Shape | null;
  readonly reply: z.ZodType;
  /** Parses, handles, and checks what comes of it. Throws a `ZodError` for a request that is not of its form, and an `HttpProblem`. */
  run(raw: RawInput, context: RouteContext): Promise<Outcome>;
}

const NOTHING = z.strictObject({});

function usualNote(params: object): AuditNote {
  return { subject: Object.values(params).join(' ') };
}

/** Makes a route. Its types are checked here, once; everybody else sees a `Route`. */
export function defineRoute<
  P extends Shape = typeof NOTHING,
  Q extends Shape = typeof NOTHING,
  B extends Shape = typeof NOTHING,
  R extends z.ZodType = z.ZodType,
>(spec: RouteSpec<P, Q, B, R>): Route {
  const { method, path, command, summary, access, audit, isGuessable = false } = spec;
  const { isOneStatement = false, changesPublication = false } = spec;
  const params: Shape = spec.params ?? NOTHING;
  const query: Shape = spec.query ?? NOTHING;
  return {
    method,
    path,
    command,
    summary,
    access,
    isGuessable,
    isOneStatement,
    changesPublication,
    params,
    query,
    body: spec.body ?? null,
    reply: spec.reply,
    run: async (raw, context) => {
      // The defaults of the type parameters are what the schemas fall back to, which the compiler cannot see.
      const input = {
        params: params.parse(raw.params ?? {}),
        query: query.parse(raw.query ?? {}),
        body: (spec.body ?? NOTHING).parse(raw.body ?? {}),
      } as RouteInput<z.output<P>, z.output<Q>, z.output<B>>;
      const reply = spec.reply.parse(await spec.handle(input, context));
      if (method === 'GET' || audit === null) return { reply, note: null };
      return { reply, note: audit === undefined ? usualNote(input.params) : audit(input, reply) };
    },
  };
}

/** Whether somebody may ask a route. */
export function mayAsk({ access }: Pick<Route, 'access'>, kind: CallerKind): boolean {
  return access.includes('anyone') || access.includes(kind);
}
