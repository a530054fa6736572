import { sql } from '../database/database.ts';
import { notLetIn } from '../http/problem.ts';
import type { RouteContext } from '../http/route.ts';
import { LOGIN_BOUNDS } from '../limits.ts';
import { isPassword } from './password.ts';
import { stepOfCode } from './totp.ts';

interface AccountRow {
  readonly id: string;
  readonly name: string;
  readonly password_hash: string | null;
  readonly totp_secret: string | null;
  readonly totp_step: number;
  readonly failures: number;
  readonly waits_until: Date | null;
  readonly disabled_at: Date | null;
}

/**
 * Checks a password and a code of an account. A failure is counted outside of the request's transaction, which its refusal undoes; an account with too many
 * waits, whoever asks. Throws a problem that says nothing of what was wrong.
 */
export async function checkPassword(
  { queries, database, clock }: RouteContext,
  tried: { readonly name: string; readonly password: string; readonly code: string },
): Promise<{ readonly id: string; readonly name: string }> {
  const nowMs = clock.wallMs();
  const account = await database.first<AccountRow>(
    sql`select id, name, password_hash, totp_secret, totp_step, failures, waits_until, disabled_at
        from accounts where name = ${tried.name}`,
  );
  const isWaiting = account !== null && (account.waits_until?.getTime() ?? 0) > nowMs;
  const isRight = await isPassword(account?.password_hash ?? null, tried.password);
  if (account === null || isWaiting || account.disabled_at !== null) throw notLetIn();
  const step =
    account.totp_secret === null
      ? null
      : await stepOfCode(account.totp_secret, tried.code, { nowMs, lastStep: account.totp_step });
  if (!isRight || step === null) {
    await database.run(
      sql`update accounts set failures = (failures + 1) % ${LOGIN_BOUNDS.failures},
            waits_until = case when failures + 1 >= ${LOGIN_BOUNDS.failures}
              then ${new Date(nowMs + LOGIN_BOUNDS.waitMs)}::timestamptz else waits_until end
          where id = ${account.id}`,
    );
    throw notLetIn();
  }
  // Two requests with the same code: the second finds the step used.
  const used = await queries.run(
    sql`update accounts set totp_step = ${step}, failures = 0, waits_until = null where id = ${account.id} and totp_step < ${step}`,
  );
  if (used === 0) throw notLetIn();
  return { id: account.id, name: account.name };
}
