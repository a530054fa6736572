import { unauthorized } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { relaySettings, relaySettingsSchema } from '../../relays/settings.ts';

export const ownSettings = defineRoute({
  method: 'GET',
  path: '/relays/self/settings',
  command: null,
  summary: 'What the relay that asks is told to be.',
  access: ['relay'],
  reply: relaySettingsSchema,
  handle: async (_input, { queries, caller, clock, signer }) => {
    if (caller.relay === null) throw unauthorized();
    return relaySettings(queries, caller.relay, { signer, nowMs: clock.wallMs() });
  },
});
