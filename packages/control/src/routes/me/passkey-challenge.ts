import { z } from 'zod';
import { conflict } from '../../http/problem.ts';
import { defineRoute, ROLES } from '../../http/route.ts';
import { offerPasskey } from '../../people/passkeys.ts';

export const newPasskeyChallenge = defineRoute({
  method: 'POST',
  path: '/me/passkeys/challenge',
  command: null,
  summary: 'What a browser needs to make a passkey (PublicKeyCredentialCreationOptionsJSON).',
  access: ['setup', ...ROLES],
  reply: z.looseObject({ challenge: z.string() }),
  audit: null,
  handle: async (_input, context) => {
    if (context.caller.session === null) throw conflict('a passkey is made in a session, and not with a token');
    return offerPasskey(context) as Promise<{ challenge: string }>;
  },
});
