import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import { type ControlProgram, startControl } from '../testing/control-program.ts';
import { debianPostgres, startTestCluster } from '../testing/test-cluster.ts';

const WRITERS = 3;

/** What was acknowledged, and how many times something was in the way. */
class Writes {
  readonly acknowledged = new Set<string>();
  #count = 0;

  /** Adds channels until `until` of them are acknowledged, or nobody answers. */
  async write(control: ControlProgram, until: number): Promise<void> {
    while (this.acknowledged.size < until) {
      const channel = `channel-${this.#count++}`;
      const reply = await control.call('POST', '/channels', { channel }).catch(() => null);
      if (reply === null) return;
      if (reply.status === 200) this.acknowledged.add(channel);
      else assert.equal(reply.status, 503, JSON.stringify(reply.json));
    }
  }

  async expectKept(control: ControlProgram): Promise<void> {
    const { status, json } = await control.call('GET', '/channels');
    assert.equal(status, 200);
    const kept = new Set((json as { channel: string }[]).map(({ channel }) => channel));
    assert.deepEqual(
      [...this.acknowledged].filter((channel) => !kept.has(channel)),
      [],
    );
    const audit = await control.call('GET', '/audit');
    const lines = new Set((audit.json as { subject: string }[]).map(({ subject }) => subject));
    for (const channel of [...this.acknowledged].slice(-20)) assert.ok(lines.has(channel), 'the audit log has it, too');
  }
}

test('kill -9 of the control plane, its database or both at random moments loses nothing acknowledged', async (context) => {
  const data = join(await temporaryFolder(context), 'control');
  const seed = Number(process.hrtime.bigint() % 1_000_000n);
  context.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const writes = new Writes();
  for (const victim of ['control', 'database', 'both', 'control', 'database']) {
    await using control = await startControl(data);
    await writes.expectKept(control);
    const killAt = writes.acknowledged.size + 1 + random.below(40);
    const writers = Array.from({ length: WRITERS }, () => writes.write(control, killAt + 40));
    const reached = writes.write(control, killAt);
    await reached;
    const postmaster = await control.postmaster();
    assert.ok(postmaster !== null);
    if (victim !== 'control') process.kill(postmaster, 'SIGKILL');
    if (victim !== 'database') await control.kill('SIGKILL');
    await Promise.all(writers);
    if (victim === 'database') await writes.expectKept(control); // it has started its database again
  }
  await using control = await startControl(data);
  await writes.expectKept(control);
  assert.ok(writes.acknowledged.size > 5);
});

test('two control planes over one database see the same, and one goes on when the other is killed', async (context) => {
  await using cluster = await startTestCluster(debianPostgres() ?? undefined);
  const database = await cluster.create({ isEmpty: true });
  const name = (await database.rows<{ name: string }>({ text: 'select current_database() as name', values: [] }))[0]
    ?.name;
  const env = { DATABASE_URL: cluster.url(String(name)) };
  const folder = await temporaryFolder(context);
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  await using first = await startControl(a, { env });
  await assert.rejects(startControl(b, { env }), /does not hold the entry key/);
  await mkdir(b, { recursive: true, mode: 0o700 });
  await copyFile(join(a, 'entry-key'), join(b, 'entry-key'));
  await using second = await startControl(b, { env });
  assert.equal(typeof first.ready.login, 'string');
  assert.equal(second.ready.login, undefined, 'the login link is printed once');
  const writes = new Writes();
  await Promise.all([writes.write(first, 20), writes.write(second, 20)]);
  await writes.expectKept(first);
  await first.kill('SIGKILL');
  await writes.expectKept(second);
  await writes.write(second, 30);
  await writes.expectKept(second);
});
