import { type Queries, sql } from '../database/database.ts';
import type { RouteContext } from '../http/route.ts';
import { createToken, csrfToken, hashToken } from '../http/tokens.ts';
import { LOGIN_BOUNDS } from '../limits.ts';

/** Name of the account that a new network has. */
export const FIRST_ACCOUNT = 'operator';
/** Name of the account that the command line of the same machine has. */
export const LOCAL_ACCOUNT = 'local';

/** What anybody who has logged in is told. */
export interface LoggedIn {
  readonly account: string;
  /** For the header `x-rozan-csrf`. */
  readonly csrf: string;
}

/** Makes a link by which an account chooses what to log in with, once. Gives its token; links from before end. */
export async function createLoginLink(
  { queries, random, clock }: Pick<RouteContext, 'queries' | 'random' | 'clock'>,
  account: string,
): Promise<string> {
  const token = createToken(random, 'login');
  await queries.run(sql`delete from login_links where account = ${account}`);
  await queries.run(
    sql`insert into login_links (token_hash, account, expires_at)
        values (${hashToken(token)}, ${account}, ${new Date(clock.wallMs() + LOGIN_BOUNDS.linkMs)})`,
  );
  return token;
}

/** Begins a session, and has the reply carry its cookie. */
export async function beginSession(
  context: RouteContext,
  account: { readonly id: string; readonly name: string },
  isSetup: boolean,
): Promise<LoggedIn> {
  const token = createToken(context.random, 'session');
  const now = new Date(context.clock.wallMs());
  await context.queries.run(
    sql`insert into sessions (token_hash, account, is_setup, created_at, used_at)
        values (${hashToken(token)}, ${account.id}, ${isSetup}, ${now}, ${now})`,
  );
  context.setSession(token);
  return { account: account.name, csrf: csrfToken(token) };
}

/**
 * Ends all sessions of an account, but for one, which becomes a full one: what one logs in with has changed, and whoever else was in has to show that
 * they know the new.
 */
export async function keepOnlySession(queries: Queries, account: string, session: Buffer | null): Promise<void> {
  await queries.run(sql`delete from sessions where account = ${account} and token_hash is distinct from ${session}`);
  await queries.run(
    sql`update sessions set is_setup = false, pending_totp = null, challenge = null where token_hash = ${session}`,
  );
}

/** Makes the first account of a network, unless there is one. Gives the token of its login link, or null. */
export async function createFirstAccount(
  context: Pick<RouteContext, 'database' | 'random' | 'clock'>,
): Promise<string | null> {
  return context.database.transaction(async (queries) => {
    const account = await queries.first<{ id: string }>(
      sql`insert into accounts (name, role, created_at) select ${FIRST_ACCOUNT}, 'operator', ${new Date(context.clock.wallMs())}
          where not exists (select from accounts where name <> ${LOCAL_ACCOUNT}) on conflict do nothing returning id`,
    );
    return account === null ? null : createLoginLink({ ...context, queries }, account.id);
  });
}

/** Lets whoever has this token in as an operator: the command line on the control plane's own machine, which reads it from a file. */
export async function admitLocalToken(
  { database, clock }: Pick<RouteContext, 'database' | 'clock'>,
  token: string,
): Promise<void> {
  const now = new Date(clock.wallMs());
  await database.transaction(async (queries) => {
    await queries.run(
      sql`insert into accounts (name, role, created_at) values (${LOCAL_ACCOUNT}, 'operator', ${now}) on conflict do nothing`,
    );
    await queries.run(
      sql`insert into api_tokens (account, name, token_hash, created_at)
          select id, 'command line', ${hashToken(token)}, ${now} from accounts where name = ${LOCAL_ACCOUNT}
          on conflict do nothing`,
    );
  });
}
