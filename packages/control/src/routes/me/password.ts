import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict, HttpProblem } from '../../http/problem.ts';
import { defineRoute, ROLES } from '../../http/route.ts';
import { DONE, doneSchema } from '../../http/schemas.ts';
import { LOGIN_BOUNDS } from '../../limits.ts';
import { keepOnlySession } from '../../people/accounts.ts';
import { hashPassword } from '../../people/password.ts';
import { stepOfCode } from '../../people/totp.ts';

const { min, max } = LOGIN_BOUNDS.passwordChars;

export const setPassword = defineRoute({
  method: 'PUT',
  path: '/me/password',
  command: null,
  summary: 'Choose a password; the code is of the secret that /me/totp has just given. All other sessions end.',
  access: ['setup', ...ROLES],
  isGuessable: true,
  body: z.strictObject({ password: z.string().min(min).max(max), code: z.string().regex(/^\d{6}$/) }),
  reply: doneSchema,
  audit: () => ({ subject: 'password' }),
  handle: async ({ body }, { queries, caller, random, clock }) => {
    const session = await queries.first<{ pending_totp: string | null }>(
      sql`select pending_totp from sessions where token_hash = ${caller.session} for update`,
    );
    const secret = session?.pending_totp ?? null;
    if (secret === null) throw conflict('ask for a new secret first: POST /me/totp');
    const step = await stepOfCode(secret, body.code, { nowMs: clock.wallMs(), lastStep: 0 });
    if (step === null) throw new HttpProblem(400, 'wrong-code', 'that is not the code of this minute');
    const hash = await hashPassword(random, body.password);
    await queries.run(
      sql`update accounts set password_hash = ${hash}, totp_secret = ${secret}, totp_step = ${step},
            failures = 0, waits_until = null where id = ${caller.account}`,
    );
    if (caller.account !== null) await keepOnlySession(queries, caller.account, caller.session);
    return DONE;
  },
});
