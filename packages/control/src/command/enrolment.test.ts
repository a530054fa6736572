// The commands by which a relay becomes one of a network's, and by which it is let in again.
import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '@rozan/tunnel/testing';
import { runRozan, startControl } from '../testing/control-program.ts';

test('a relay whose credential is lost or spoilt is enrolled again, by the commands that the errors name', async (context) => {
  const folder = await temporaryFolder(context);
  const [data, relay, tokenFile] = ['control', 'relay', 'token'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await using control = await startControl(data);
  const run = async (...args: string[]) => {
    const ended = await runRozan(args);
    assert.equal(ended.code, 0, ended.stderr);
    return ended.stdout;
  };
  const token = async (...args: string[]) => {
    const said = JSON.parse(await run('control', 'enrolment', ...args, '--data', data, '--json'));
    await writeFile(tokenFile, said.token);
  };
  const enrolling = ['relay', 'enrol', '--data', relay, '--control', control.url, '--token', tokenFile];
  const kept = async (name: string) => JSON.parse(await readFile(join(relay, name), 'utf8'));
  await run('channel', 'add', 'default', '--data', data);
  await run('relay', 'init', '--data', relay, '--listen', 'opaque=127.0.0.1:4443');
  await token('add', 'fra-1', '--channels', 'default');
  await run(...enrolling);
  const [before, settings] = [await kept('enrolment.json'), await kept('settings.json')];

  const refused = await runRozan(enrolling);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /belongs to a network already\n.*--again.*rozan control enrolment renew NAME/);

  await writeFile(join(relay, 'enrolment.json'), '{"control":');
  const broken = await runRozan(['relay', '--data', relay]);
  assert.notEqual(broken.code, 0);
  assert.match(broken.stderr, /enrolment\.json.*\n.*rozan control enrolment renew NAME.*rozan relay enrol --again/);
  await token('renew', 'fra-1');
  await run(...enrolling, '--again');
  const after = await kept('enrolment.json');
  assert.notEqual(after.credential, before.credential);
  assert.deepEqual((await kept('settings.json')).channels, settings.channels);

  await rm(join(relay, 'enrolment.json'));
  const missing = await runRozan(['relay', '--data', relay]);
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /enrolment\.json is missing\n.*rozan control enrolment renew NAME/);
  await writeFile(tokenFile, 'rozan-enrol-of-nobody');
  const unknown = await runRozan([...enrolling, '--again']);
  assert.notEqual(unknown.code, 0);
  assert.match(unknown.stderr, /the control plane refuses.*\n.*rozan control enrolment renew NAME/);
  await token('renew', 'fra-1');
  await run(...enrolling, '--again');
  const relays = JSON.parse(await run('control', 'relay', 'list', '--data', data, '--json'));
  assert.deepEqual(
    relays.map(({ name, id }: { name: string; id: string }) => [name, id]),
    [['fra-1', settings.relay]],
  );
});
