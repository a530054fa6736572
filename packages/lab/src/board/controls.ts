// Whether a censor bites at all: the traffic that each policy is made for goes through it, over real sockets.
import type { Env } from '@rozan/tunnel';
import type { Policy } from './censors/flow-rule.ts';
import { Middlebox } from './censors/middlebox.ts';
import type { Control } from './scoreboard.ts';
import { createSeededRandom } from './seeded-random.ts';

/** Enough for a rule that samples one connection in four, and for one that counts a dozen at once. */
const CONNECTIONS = 40;
const SETTLE_MS = 500;

async function controlOf(env: Env, policy: Policy, seed: number): Promise<Control> {
  const { traffic, first, server } = policy.control;
  await using stack = new AsyncDisposableStack();
  const echo = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conn.on('error', () => conn.destroy());
    conn.pipe(conn);
  });
  stack.defer(() => echo.close());
  const censor = stack.use(new Middlebox(env, [policy.createRule(createSeededRandom(seed))]));
  for (let index = 0; index < CONNECTIONS; index += 1) {
    // Users of their own, but where the rule counts what one user does at once.
    const user = policy.id.startsWith('C33') ? '198.18.0.1' : `198.18.1.${index}`;
    const address = await censor.routeFor(user)({ actual: echo.address, seenAs: server });
    const conn = await env.network.dial(address);
    stack.defer(() => void conn.destroy());
    conn.on('error', () => {});
    conn.resume();
    conn.write(first);
  }
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const { acted } = censor.counts();
  return { policy: policy.id, traffic, hit: { k: acted, n: CONNECTIONS } };
}

/** The hit rate of each policy on traffic that it is made to hit. A rule that waits for an age counts when it has set its clock. */
export function runControls(env: Env, policies: readonly Policy[], seed: number): Promise<Control[]> {
  return Promise.all(policies.map((policy) => controlOf(env, policy, seed)));
}
