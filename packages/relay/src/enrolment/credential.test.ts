import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Env, LogEvent } from '@rozan/tunnel';
import { writeFileAtomically } from '@rozan/tunnel/data-folder';
import { ManualClock, MemoryNetwork, SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { RelayError } from '../data-folder/relay-error.ts';
import { ENROLMENT_BOUNDS } from '../limits/constants.ts';
import { RelayCredential } from './credential.ts';
import { type Enrolment, readEnrolment, writeEnrolment } from './enrolment-file.ts';
import { FakeControl } from './testing/fake-control.ts';

const [LEAST, MOST] = ENROLMENT_BOUNDS.renewMs;
const { signal } = new AbortController();

/** A relay's credential, with the fake control plane that knows it. */
async function begin(context: TestContext, given: Partial<Enrolment> = {}) {
  const clock = new ManualClock();
  const events: LogEvent[] = [];
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(2), log: (event) => void events.push(event) };
  const control = new FakeControl();
  await control.listen(env);
  context.after(() => control[Symbol.asyncDispose]());
  const folder = await temporaryFolder(context);
  const started = { url: control.url, roots: null, credential: 'credential-0', former: null, sinceMs: clock.wallMs() };
  await writeEnrolment(folder, { ...started, ...given });
  /** What a relay that is started here has. */
  const open = async (): Promise<RelayCredential> => {
    const enrolment = await readEnrolment(folder);
    assert.ok(enrolment !== null);
    return new RelayCredential(env, { folder, enrolment });
  };
  return { clock, control, events, folder, open, kept: () => readEnrolment(folder) };
}

const report = (credential: RelayCredential) =>
  credential.ask({ method: 'POST', path: '/relays/report', body: {}, signal });

test('a credential is renewed when it is old, or when its age cannot be known, and not before', async (context) => {
  const { clock, control, open, events } = await begin(context);
  const credential = await open();
  await credential.renewIfDue(signal);
  clock.setWallMs(clock.wallMs() + LEAST - 1);
  await credential.renewIfDue(signal);
  assert.equal(control.asked.length, 0);
  clock.setWallMs(clock.wallMs() + MOST - LEAST + 1);
  await credential.renewIfDue(signal);
  await credential.renewIfDue(signal);
  assert.equal(control.asked.length, 1);
  // The clock was far ahead, and is right again.
  clock.setWallMs(clock.wallMs() - MOST);
  await credential.renewIfDue(signal);
  assert.deepEqual(control.known, { current: 'credential-2', former: 'credential-1' });
  assert.deepEqual(events, [{ event: 'credential.renewed' }, { event: 'credential.renewed' }]);

  const other = await begin(context, { sinceMs: null });
  await (await other.open()).renewIfDue(signal);
  assert.equal((await other.kept())?.credential, 'credential-1');
  assert.equal((await other.kept())?.sinceMs, other.clock.wallMs());
});

test('a reply that is lost locks nobody out, and the relay asks again an hour later', async (context) => {
  const { clock, control, open, kept, events } = await begin(context, { sinceMs: 0 });
  const credential = await open();
  control.isLost = ({ path }) => path === '/relays/self/credential';
  await credential.renewIfDue(signal);
  assert.deepEqual(events, [{ event: 'credential.failed', code: 'control-unreachable' }]);
  assert.deepEqual(control.known, { current: 'credential-1', former: 'credential-0' });
  assert.equal((await kept())?.credential, 'credential-0');
  await report(credential);
  await credential.renewIfDue(signal);
  assert.equal(control.count('/relays/self/credential'), 1, 'not at once');
  control.isLost = () => false;
  await clock.advance(ENROLMENT_BOUNDS.renewAgainMs);
  await credential.renewIfDue(signal);
  await report(credential);
  assert.deepEqual(control.known, { current: 'credential-2', former: null });
  await report(await open());
});

test('a credential that cannot be kept is not used', async (context) => {
  const { control, open, folder, events } = await begin(context, { sinceMs: 0 });
  const credential = await open();
  // It has been enrolled again beside the process that runs.
  await writeEnrolment(folder, { url: control.url, roots: null, credential: 'of-another', former: null, sinceMs: 0 });
  await credential.renewIfDue(signal);
  assert.deepEqual(events, [{ event: 'credential.failed', code: 'enrolled' }]);
  assert.equal(JSON.parse(await readFile(join(folder, 'enrolment.json'), 'utf8')).credential, 'of-another');
  await report(credential);
  assert.deepEqual(control.known, { current: 'credential-1', former: 'credential-0' });
});

test('a control plane whose database is an older one knows the relay by the credential of then', async (context) => {
  const { control, open, kept } = await begin(context, { sinceMs: 0 });
  const credential = await open();
  await credential.renewIfDue(signal);
  await report(credential);
  control.known = { current: 'credential-0', former: null };
  await report(await open());
  const now = await kept();
  assert.deepEqual([now?.credential, now?.former], ['credential-0', null]);
  control.known = { current: 'of-nobody', former: null };
  await assert.rejects(report(await open()), { code: 'control-refused' });
});

test('a stop in the middle of a renewal is no failure', async (context) => {
  const { control, open, events } = await begin(context, { sinceMs: 0 });
  const over = new AbortController();
  control.rule = () => {
    over.abort(new Error('the relay ends'));
    return null;
  };
  await (await open()).renewIfDue(over.signal);
  assert.deepEqual(events, []);
});

test('whatever is in the file is read or refused with what to do, and nothing of it is quoted', async (context) => {
  const { folder, kept } = await begin(context);
  const whole = JSON.parse(await readFile(join(folder, 'enrolment.json'), 'utf8'));
  const secret = 'a-secret-of-this-relay';
  const members = fc.constantFrom('control', 'roots', 'credential', 'former', 'since');
  const json = fc.oneof(fc.jsonValue(), fc.constant(secret), fc.integer());
  const spoilt = fc.oneof(
    fc.tuple(members, json).map(([name, value]) => JSON.stringify({ ...whole, former: secret, [name]: value })),
    fc.nat(60).map((length) => JSON.stringify({ ...whole, former: secret }).slice(0, length)),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(spoilt, async (text) => {
      await writeFileAtomically(join(folder, 'enrolment.json'), text);
      await kept().catch((error: unknown) => {
        assert.ok(error instanceof RelayError && error.code === 'folder-broken', String(error));
        assert.match(error.remedy ?? '', /enrolment renew/);
        assert.ok(!error.message.includes(secret));
      });
    }),
    { numRuns: 60 },
  );
});
