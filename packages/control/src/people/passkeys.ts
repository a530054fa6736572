import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import { z } from 'zod';
import { sql } from '../database/database.ts';
import { conflict, HttpProblem, notLetIn } from '../http/problem.ts';
import type { RouteContext } from '../http/route.ts';
import { LOGIN_BOUNDS } from '../limits.ts';

/** Loaded when somebody uses a passkey: it is larger than all the rest, and the command line has no use for it. */
const library = () => import('@simplewebauthn/server');

const base64url = z
  .string()
  .min(1)
  .max(8_192)
  .regex(/^[A-Za-z0-9_-]+$/);
const extensions = z.record(z.string().max(64), z.json()).optional();

/** What a browser gives for a new passkey (WebAuthn level 3, RegistrationResponseJSON). */
export const newPasskeySchema = z.object({
  id: base64url,
  rawId: base64url,
  type: z.literal('public-key'),
  response: z.object({ clientDataJSON: base64url, attestationObject: base64url }),
  clientExtensionResults: extensions,
});

/** What a browser gives to show a passkey (AuthenticationResponseJSON). */
export const shownPasskeySchema = z.object({
  id: base64url,
  rawId: base64url,
  type: z.literal('public-key'),
  response: z.object({ clientDataJSON: base64url, authenticatorData: base64url, signature: base64url }),
  clientExtensionResults: extensions,
});

/** What a browser is to be told to make a passkey; its challenge is kept with the session. */
export async function offerPasskey({ queries, caller, site }: RouteContext): Promise<object> {
  const keys = await queries.rows<{ id: string }>(sql`select id from passkeys where account = ${caller.account}`);
  if (keys.length >= LOGIN_BOUNDS.passkeys) throw conflict(`an account has at most ${LOGIN_BOUNDS.passkeys} passkeys`);
  const { generateRegistrationOptions } = await library();
  const options = await generateRegistrationOptions({
    rpName: 'Rozan',
    rpID: site.host,
    userName: caller.name,
    excludeCredentials: keys,
    authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
  });
  await queries.run(sql`update sessions set challenge = ${options.challenge} where token_hash = ${caller.session}`);
  return options;
}

/** Whatever a library makes of what it is given, a stranger learns only that it did not do. */
async function orRefuse<T>(verify: () => Promise<T>, refusal: () => HttpProblem): Promise<T> {
  try {
    return await verify();
  } catch (cause) {
    if (cause instanceof HttpProblem) throw cause;
    throw refusal();
  }
}

const unfit = () => new HttpProblem(400, 'malformed', 'that is not a passkey for this challenge');

/** Adds a passkey to the account that asks. Throws a problem where it does not fit the challenge. */
export async function addPasskey(
  { queries, caller, site, clock }: RouteContext,
  response: z.output<typeof newPasskeySchema>,
): Promise<void> {
  const session = await queries.first<{ challenge: string | null }>(
    sql`select challenge from sessions where token_hash = ${caller.session} for update`,
  );
  const challenge = session?.challenge ?? null;
  if (challenge === null) throw unfit();
  const full: RegistrationResponseJSON = { ...response, clientExtensionResults: {} };
  const { verifyRegistrationResponse } = await library();
  const { registrationInfo } = await orRefuse(
    () =>
      verifyRegistrationResponse({
        response: full,
        expectedChallenge: challenge,
        expectedOrigin: site.origin,
        expectedRPID: site.host,
      }),
    unfit,
  );
  if (registrationInfo === undefined) throw unfit();
  const { id, publicKey, counter } = registrationInfo.credential;
  await queries.run(
    sql`insert into passkeys (id, account, public_key, counter, created_at)
        values (${id}, ${caller.account}, ${Buffer.from(publicKey)}, ${counter}, ${new Date(clock.wallMs())})`,
  );
}

/** What a browser is to be told to show a passkey. */
export async function askForPasskey({ queries, site, clock }: RouteContext): Promise<object> {
  const { generateAuthenticationOptions } = await library();
  const options = await generateAuthenticationOptions({ rpID: site.host, userVerification: 'required' });
  const expires = new Date(clock.wallMs() + LOGIN_BOUNDS.challengeMs);
  await queries.run(sql`insert into challenges (challenge, expires_at) values (${options.challenge}, ${expires})`);
  return options;
}

interface PasskeyRow {
  readonly id: string;
  readonly public_key: Buffer;
  readonly counter: number;
  readonly account: string;
  readonly name: string;
}

/** The account whose passkey was shown, for a challenge that was asked and not used yet. Throws a problem that says nothing more. */
export async function checkPasskey(
  { queries, site, clock }: RouteContext,
  response: z.output<typeof shownPasskeySchema>,
): Promise<{ readonly id: string; readonly name: string }> {
  const key = await queries.first<PasskeyRow>(
    sql`select p.id, p.public_key, p.counter, p.account, a.name from passkeys p join accounts a on a.id = p.account
        where p.id = ${response.id} and a.disabled_at is null for update of p`,
  );
  if (key === null) throw notLetIn();
  const full: AuthenticationResponseJSON = { ...response, clientExtensionResults: {} };
  const now = new Date(clock.wallMs());
  const { verifyAuthenticationResponse } = await library();
  const { verified, authenticationInfo } = await orRefuse(
    () =>
      verifyAuthenticationResponse({
        response: full,
        expectedChallenge: async (challenge) =>
          (await queries.run(sql`delete from challenges where challenge = ${challenge} and expires_at > ${now}`)) === 1,
        expectedOrigin: site.origin,
        expectedRPID: site.host,
        credential: { id: key.id, publicKey: new Uint8Array(key.public_key), counter: key.counter },
      }),
    notLetIn,
  );
  if (!verified) throw notLetIn();
  await queries.run(sql`update passkeys set counter = ${authenticationInfo.newCounter} where id = ${key.id}`);
  return { id: key.account, name: key.name };
}
