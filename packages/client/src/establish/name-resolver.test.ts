import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TunnelError } from '@rozan/tunnel';
import { LOOKUPS_AT_ONCE } from '../limits.ts';
import { createNameResolver, isPublic } from './name-resolver.ts';

const never = new AbortController().signal;
const failsWith = (code: string) => (error: unknown) => error instanceof TunnelError && error.code === code;

describe('resolving the name of a relay', () => {
  it('takes the first address that can be a relay’s', async () => {
    const resolve = createNameResolver(async () => ['127.0.0.1', '::1', '1.2.3.4', '5.6.7.8']);
    assert.equal(await resolve('relay.example', never), '1.2.3.4');
  });

  it('tells a name that is not there from one about which the resolver lies, and repeats neither', async () => {
    const lies = createNameResolver(async () => ['10.10.34.35', '0.0.0.0']);
    await assert.rejects(lies('relay.example', never), failsWith('name-forged'));
    const none = createNameResolver(() => Promise.reject(new Error('ENOTFOUND relay.example')));
    await assert.rejects(none('relay.example', never), (error: unknown) => {
      assert.ok(failsWith('name-not-found')(error));
      assert.ok(!JSON.stringify(error, Object.getOwnPropertyNames(error)).includes('relay.example'));
      return true;
    });
    await assert.rejects(createNameResolver(async () => [])('a.example', never), failsWith('name-not-found'));
  });

  it('asks the system few things at once and nothing twice, and lets go of who does not want to wait', async () => {
    const asked: string[] = [];
    const answers = new Map<string, (addresses: readonly string[]) => void>();
    const resolve = createNameResolver((name) => {
      asked.push(name);
      return new Promise((answer) => answers.set(name, answer));
    });
    const over = new AbortController();
    const reason = new Error('enough');
    const impatient = resolve('a.example', over.signal);
    const patient = [resolve('a.example', never), resolve('b.example', never), resolve('c.example', never)];
    over.abort(reason);
    await assert.rejects(impatient, reason);
    await assert.rejects(resolve('d.example', over.signal), reason);
    assert.equal(asked.length, LOOKUPS_AT_ONCE);
    for (const name of ['a.example', 'b.example', 'c.example']) {
      answers.get(name)?.(['1.2.3.4']);
      await new Promise((turn) => setImmediate(turn));
    }
    assert.deepEqual(await Promise.all(patient), ['1.2.3.4', '1.2.3.4', '1.2.3.4']);
    assert.deepEqual(asked, ['a.example', 'b.example', 'c.example']);
  });
});

it('knows which addresses can be those of relays', () => {
  const special = ['0.1.2.3', '10.1.1.1', '100.64.0.1', '127.8.8.8', '169.254.1.1', '172.31.1.1', '192.168.1.1'];
  const more = [
    '192.0.2.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '255.255.255.255',
  ];
  const six = [
    '::',
    '::1',
    'fe80::1',
    'fc00::1',
    'ff02::1',
    '2001:db8::1',
    '2001::1',
    '2002::1',
    '::ffff:1.2.3.4',
    '64:ff9b::1',
  ];
  for (const address of [...special, ...more, ...six, 'name', '']) assert.equal(isPublic(address), false, address);
  for (const address of ['1.1.1.1', '9.255.255.255', '100.128.0.1', '172.32.0.1', '198.20.0.1', '223.255.255.255']) {
    assert.equal(isPublic(address), true, address);
  }
  for (const address of ['2606:4700::1111', '2001:200::1', '2a00::1']) assert.equal(isPublic(address), true, address);
});
