import { z } from 'zod';
import { defineRoute } from '../../http/route.ts';
import { askForPasskey } from '../../people/passkeys.ts';

export const passkeyChallenge = defineRoute({
  method: 'POST',
  path: '/login/passkey/challenge',
  command: null,
  summary: 'What a browser needs to show a passkey (PublicKeyCredentialRequestOptionsJSON).',
  access: ['anyone'],
  isGuessable: true,
  reply: z.looseObject({ challenge: z.string() }),
  audit: null,
  handle: async (_input, context) => askForPasskey(context) as Promise<{ challenge: string }>,
});
