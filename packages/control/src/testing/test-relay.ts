import { encodeBase64url, keyPairOf, relayId } from '@rozan/protocol';
import { SeededRandom } from '@rozan/tunnel/testing';
import type { TestApi } from './test-api.ts';

/** What a relay with this number says of itself. */
export function relayIdentity(number: number) {
  const { publicKey } = keyPairOf(new SeededRandom(number + 1_000).bytes(32));
  return {
    id: relayId(publicKey),
    key: encodeBase64url(publicKey),
    signingKey: encodeBase64url(new SeededRandom(number + 2_000).bytes(32)),
    transports: [{ transport: 'opaque', addresses: [`192.0.2.${number}:443`], params: { n: number } }],
  };
}

/** An enrolled relay of a test. */
export interface TestRelay {
  readonly name: string;
  readonly id: string;
  readonly credential: string;
}

/** Enrols a relay for some channels, which are there. */
export async function enrolTestRelay(
  api: TestApi,
  number: number,
  options: { readonly as: string; readonly channels: readonly string[] },
): Promise<TestRelay> {
  const name = `relay-${number}`;
  const { as, channels } = options;
  const { token } = await api.ok('POST', '/enrolment-tokens', { as, body: { name, channels } });
  const { id, ...identity } = relayIdentity(number);
  const { credential } = await api.ok('POST', '/relays/enrol', { body: { token, ...identity } });
  return { name, id, credential };
}

/** A report as relays send it. */
export const TEST_REPORT = {
  settingsVersion: 1,
  programVersion: '0.1.0',
  uptimeSeconds: 60,
  cpuShare: 0.25,
  memoryBytes: 100_000_000,
  sessionsLive: 12,
  sessionsDetached: 3,
  streams: 40,
  strangers: 2,
  bytesUp: 1_000,
  bytesDown: 50_000,
  isDraining: false,
};
