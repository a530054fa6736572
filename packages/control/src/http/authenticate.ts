import { type Queries, sql } from '../database/database.ts';
import { LOGIN_BOUNDS } from '../limits.ts';
import type { Caller, Role } from './route.ts';
import { hashToken } from './tokens.ts';

/** Somebody who has shown nothing. */
export const NOBODY: Caller = {
  kind: 'anyone',
  name: 'nobody',
  account: null,
  relay: null,
  session: null,
  credential: null,
};

/** What a request shows of its sender; at most one of the two counts, the bearer before the cookie. */
export interface Credentials {
  readonly bearer: string | null;
  readonly cookie: string | null;
}

interface AccountRow {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
}

async function byApiToken(queries: Queries, token: string, now: Date): Promise<Caller | null> {
  const row = await queries.first<AccountRow>(
    sql`select a.id, a.name, a.role from api_tokens t join accounts a on a.id = t.account
        where t.token_hash = ${hashToken(token)} and a.disabled_at is null
          and (t.expires_at is null or t.expires_at > ${now})`,
  );
  return row === null ? null : { ...NOBODY, kind: row.role, name: row.name, account: row.id };
}

async function byCredential(queries: Queries, token: string): Promise<Caller | null> {
  const credential = hashToken(token);
  const row = await queries.first<{ id: string }>(
    sql`select id from relays where credential_hash = ${credential} or former_credential_hash = ${credential}`,
  );
  return row === null ? null : { ...NOBODY, kind: 'relay', name: `relay ${row.id}`, relay: row.id, credential };
}

async function bySession(queries: Queries, token: string, nowMs: number): Promise<Caller | null> {
  const hash = hashToken(token);
  const row = await queries.first<AccountRow & { is_setup: boolean; used_at: Date }>(
    sql`select a.id, a.name, a.role, s.is_setup, s.used_at from sessions s join accounts a on a.id = s.account
        where s.token_hash = ${hash} and a.disabled_at is null
          and s.used_at > ${new Date(nowMs - LOGIN_BOUNDS.sessionIdleMs)}
          and s.created_at > ${new Date(nowMs - LOGIN_BOUNDS.sessionMs)}`,
  );
  if (row === null) return null;
  if (nowMs - row.used_at.getTime() > LOGIN_BOUNDS.sessionTouchMs) {
    await queries.run(sql`update sessions set used_at = ${new Date(nowMs)} where token_hash = ${hash}`);
  }
  return { ...NOBODY, kind: row.is_setup ? 'setup' : row.role, name: row.name, account: row.id, session: hash };
}

/** Finds out who asks. Null where something was shown that lets nobody in; `NOBODY` where nothing was shown. */
export async function authenticate(
  queries: Queries,
  { bearer, cookie }: Credentials,
  nowMs: number,
): Promise<Caller | null> {
  if (bearer?.startsWith('rozan-relay-')) return byCredential(queries, bearer);
  if (bearer !== null) return byApiToken(queries, bearer, new Date(nowMs));
  return cookie === null ? NOBODY : bySession(queries, cookie, nowMs);
}
