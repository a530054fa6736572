// The ordinary programs over UDP, through the same censor as everything else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEnv } from '@rozan/tunnel';
import { benignSet, runBenign } from '../board/benign.ts';
import { type BenignServers, startBenignServers } from '../board/benign-servers.ts';
import { Gate } from '../board/gate.ts';
import { findLabPolicy, type LabPolicy, OPEN, startCensor } from '../board/lab-policies.ts';
import { Programs } from '../board/programs.ts';
import { needs } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const TIMES = 2;
const AT_ONCE = 8;
const UDP = ['DNS', 'QUIC'];

/** What each of the activities over UDP came to, by name. */
async function brokenUnder(
  policy: LabPolicy,
  { servers, programs, folder }: { servers: BenignServers; programs: Programs; folder: string },
): Promise<Record<string, number>> {
  const env = createEnv({ log: () => {} });
  const all = benignSet(servers);
  const set = { ...all, activities: all.activities.filter(({ name }) => UDP.includes(name)) };
  await using censor = startCensor(env, [policy], 1);
  const world = { env, programs, folder, starts: new Gate(AT_ONCE) };
  const found = await runBenign(world, { set, policy: policy.id, censor, times: TIMES });
  assert.ok(found.every(({ policy: id, broken }) => id === policy.id && broken.n === TIMES));
  // Nothing has gone past the censor: every run is a flow of its own in its eyes.
  assert.ok(censor.counts().connections >= TIMES * UDP.length);
  return Object.fromEntries(found.map(({ activity, broken }) => [activity, broken.k]));
}

test(
  'a question by DNS and a download over QUIC pass the censor, and break where a policy breaks them',
  needs('dig', 'gtlsclient', 'gtlsserver', 'openssl'),
  async () => {
    await using scratch = await createScratchFolder();
    await using programs = new Programs();
    const folder = scratch.path;
    await using servers = await startBenignServers(createEnv({ log: () => {} }), programs, folder);
    const world = { servers, programs, folder };
    const [open, noUdp, nothing] = await Promise.all([
      brokenUnder(OPEN, world),
      brokenUnder(findLabPolicy('C08'), world),
      brokenUnder(findLabPolicy('C09-total'), world),
    ]);
    assert.deepEqual(open, { DNS: 0, QUIC: 0 });
    assert.deepEqual(noUdp, { DNS: 0, QUIC: TIMES });
    assert.deepEqual(nothing, { DNS: TIMES, QUIC: TIMES });
  },
);

test('what this machine has no server for is skipped by its name', async () => {
  const place = { host: '127.0.0.1', port: 9 };
  const servers = { site: place, secureSite: null, git: null, ssh: null, names: place, quic: null };
  const { activities, skipped } = benignSet({ ...servers, [Symbol.asyncDispose]: async () => {} });
  assert.ok(skipped.some(({ name, why }) => name === 'QUIC' && why !== ''));
  assert.ok(!activities.some(({ name }) => name === 'QUIC'));
});
