// What a mirror, or whoever is between it and the client, may try (TUF specification §1.5.2). Each is refused by a typed error, and the client goes
// on with what it had.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SigningKey, signingKeyOf } from '../keys.ts';
import { draftKeyChange } from '../make/propose.ts';
import { addSignature } from '../metadata.ts';
import {
  assertUnharmed,
  createScene,
  forge,
  forgeTop,
  publishMore,
  readFile,
  type Scene,
  TIMESTAMP,
} from '../testing/lying-mirror.ts';
import { TEST_NOW_MS } from '../testing/publisher.ts';
import { dialLoopback, startMirror } from '../testing/test-mirror.ts';

const HOUR_MS = 3_600_000;
const stranger: SigningKey = signingKeyOf(Buffer.alloc(32, 9));

for (const where of ['mirror', 'man in the middle'] as const) {
  const attack = (name: string, run: (scene: Scene) => Promise<void>) =>
    test(`${where}: ${name}`, async (context) => run(await createScene(context, where)));

  attack('rollback to an older timestamp', async (scene) => {
    await publishMore(scene);
    await scene.fetcher.refresh();
    await scene.fetcher.target('network/tactics');
    scene.lie = (name, honest) => scene.old.get(name) ?? honest;
    await assert.rejects(scene.fetcher.refresh(), { code: 'rollback' });
    await assert.rejects((await scene.open()).refresh(), { code: 'rollback' });
    await assertUnharmed(scene, { tactics: 'tactics 2' });
  });

  attack('rollback of one role, by who has the keys of snapshot and timestamp', async (scene) => {
    await publishMore(scene);
    await scene.fetcher.refresh();
    const forged = await forgeTop(scene, (meta) => {
      meta['network.json'] = { version: 1 };
    });
    scene.lie = (name, honest) => forged.get(name) ?? honest;
    await assert.rejects(scene.fetcher.refresh(), { code: 'rollback' });
    const without = await forgeTop(
      scene,
      (meta) => {
        delete meta['releases.json'];
      },
      2,
    );
    scene.lie = (name, honest) => without.get(name) ?? honest;
    await assert.rejects(scene.fetcher.refresh(), { code: 'rollback' });
    // Their versions are used up; the publishers' go on above them.
    await scene.publisher.publish();
    scene.publisher.passHours(7);
    await scene.publisher.publish();
    assert.equal((await scene.fetcher.kept('network/tactics'))?.bytes.toString(), 'tactics 1');
  });

  attack('mix and match: a timestamp of today, a snapshot of yesterday', async (scene) => {
    const before = [...scene.old.keys()].find((name) => name.endsWith('.snapshot.json')) ?? '';
    await publishMore(scene);
    scene.lie = (name, honest) => (name.endsWith('.snapshot.json') ? (scene.old.get(before) ?? null) : honest);
    await assert.rejects(scene.fetcher.refresh(), { code: 'inconsistent' });
    await assertUnharmed(scene);
  });

  attack("mix and match: another role's metadata, or an older one, or other bytes", async (scene) => {
    await publishMore(scene);
    const bins = [...scene.old.keys()].filter((name) => /network/.test(name) && name.startsWith('metadata/'));
    for (const name of [
      bins.find((one) => one.endsWith('.network.json')),
      bins.find((one) => one.includes('network-')),
    ]) {
      scene.lie = (asked, honest) => (asked.endsWith('.network.json') ? (scene.old.get(name ?? '') ?? null) : honest);
      await scene.fetcher.refresh();
      await assert.rejects(scene.fetcher.target('network/tactics'), (error: { code?: string }) =>
        ['inconsistent', 'not-authentic', 'too-large'].includes(error.code ?? ''),
      );
    }
    await assertUnharmed(scene);
  });

  attack('too few signatures, or those of others', async (scene) => {
    const { publisher } = scene;
    await publishMore(scene);
    scene.lie = (name, honest) =>
      name === TIMESTAMP && honest !== null ? forge(honest, { version: 99 }, [stranger]) : honest;
    await assert.rejects(scene.fetcher.refresh(), { code: 'not-authentic' });
    const root = await publisher.rootBytes();
    const [one, two] = publisher.keys.root;
    assert.ok(one && two);
    for (const keys of [[], [one], [one, stranger], [stranger]]) {
      const forged = forge(root, { version: 2 }, keys);
      scene.lie = (name, honest) => (name === 'metadata/2.root.json' ? forged : honest);
      await assert.rejects(scene.fetcher.refresh(), { code: 'not-authentic' });
    }
    // One key that signs twice is one.
    const twice = JSON.parse(forge(root, { version: 2 }, [one]).toString());
    twice.signatures.push({ ...twice.signatures[0] });
    scene.lie = (name, honest) => (name === 'metadata/2.root.json' ? Buffer.from(JSON.stringify(twice)) : honest);
    await assert.rejects(
      scene.fetcher.refresh(),
      (error: { code?: string }) => error.code === 'malformed' || error.code === 'not-authentic',
    );
    await assertUnharmed(scene);
  });

  attack('a root that leaps, goes back, or changes what has been signed', async (scene) => {
    const { keys } = scene.publisher;
    const root = await scene.publisher.rootBytes();
    for (const version of [1, 3]) {
      const forged = forge(root, { version }, keys.root);
      scene.lie = (name, honest) => (name === 'metadata/2.root.json' ? forged : honest);
      await assert.rejects(scene.fetcher.refresh(), { code: 'rollback' });
    }
    const changed = JSON.parse(
      addSignature(forge(root, { version: 2 }, keys.root), keys.root[0] ?? stranger).toString(),
    );
    changed.signed.expires = '2099-01-01T00:00:00Z';
    scene.lie = (name, honest) => (name === 'metadata/2.root.json' ? Buffer.from(JSON.stringify(changed)) : honest);
    await assert.rejects(scene.fetcher.refresh(), { code: 'not-authentic' });
    await assertUnharmed(scene);
  });

  attack('freeze: nothing new for days. Entries stay usable and are marked, releases are not used', async (scene) => {
    const frozen = new Map(scene.old);
    scene.publisher.passHours(72);
    scene.attestedMs = scene.publisher.clock.wallMs();
    await publishMore(scene);
    scene.lie = (name) => frozen.get(name) ?? null;
    const outcome = await scene.fetcher.refresh();
    assert.deepEqual([outcome.validity, outcome.clock, outcome.cause], ['expired', 'right', 'freeze']);
    const list = await scene.fetcher.entryList(scene.key);
    assert.deepEqual([list.entries.length, list.validity, list.cause], [20, 'expired', 'freeze']);
    assert.equal((await scene.fetcher.target('network/tactics')).validity, 'expired');
    await assert.rejects(scene.fetcher.target('releases/bundle'), { code: 'expired' });
    await assert.rejects(scene.fetcher.kept('releases/bundle'), { code: 'expired' });
    await assertUnharmed(scene, { hasReleases: false });
    assert.equal((await scene.fetcher.target('releases/bundle')).validity, 'valid');
  });

  attack('an expired root with no newer one: nothing new is taken', async (scene) => {
    await publishMore(scene);
    scene.attestedMs = TEST_NOW_MS + 366 * 24 * HOUR_MS;
    await assert.rejects(scene.fetcher.refresh(), { code: 'expired' });
    assert.equal((await scene.fetcher.keptEntryList(scene.key))?.validity, 'expired');
    scene.attestedMs = TEST_NOW_MS;
    await assertUnharmed(scene);
  });

  attack('oversized: every file is cut off at what was signed, or at what there may be', async (scene) => {
    await publishMore(scene);
    const big = Buffer.alloc(2_000_000, ' ');
    for (const what of ['2.root.json', 'timestamp.json', '.snapshot.json']) {
      const before = scene.fetcher.receivedBytes;
      scene.lie = (name, honest) => (name.endsWith(what) ? Buffer.concat([honest ?? Buffer.alloc(0), big]) : honest);
      await assert.rejects(scene.fetcher.refresh(), { code: 'too-large' });
      assert.ok(scene.fetcher.receivedBytes - before < 500_000);
    }
    scene.lie = (_name, honest) => honest;
    await scene.fetcher.refresh();
    for (const [what, path] of [
      ['.network.json', 'network/tactics'],
      ['.tactics', 'network/tactics'],
    ] as const) {
      scene.lie = (name, honest) => (name.endsWith(what) ? Buffer.concat([honest ?? Buffer.alloc(0), big]) : honest);
      await assert.rejects(scene.fetcher.target(path), { code: 'too-large' });
    }
    await assert.rejects(scene.fetcher.target('releases/bundle', { maxBytes: 3 }), { code: 'too-large' });
    await assertUnharmed(scene);
  });

  attack('endless: a file that never ends, with no length given', async (scene) => {
    await publishMore(scene);
    for (const what of ['2.root.json', 'timestamp.json', '.snapshot.json']) {
      let sent = 0;
      scene.lie = (name, honest, response) => {
        if (!name.endsWith(what)) return honest;
        response.writeHead(200);
        const more = () => {
          sent += 16_384;
          if (!response.destroyed) response.write(Buffer.alloc(16_384, ' '), () => setImmediate(more));
        };
        more();
        return 'handled';
      };
      await assert.rejects(scene.fetcher.refresh(), { code: 'too-large' });
      assert.ok(sent < 20_000_000);
    }
    await assertUnharmed(scene);
  });

  attack('endless: a file that comes so slowly that it never ends', async (scene) => {
    await publishMore(scene);
    const waits = Promise.withResolvers<void>();
    scene.lie = (name, honest, response) => {
      if (name !== TIMESTAMP) return honest;
      response.writeHead(200);
      response.write(' ', () => waits.resolve());
      return 'handled';
    };
    const refusal = assert.rejects(scene.fetcher.refresh(), { code: 'too-slow' });
    let isOver = false;
    const over = refusal.finally(() => {
      isOver = true;
    });
    await waits.promise;
    while (!isOver) await scene.publisher.clock.advance(31_000);
    await over;
    await assertUnharmed(scene);
  });

  attack('a clock that is wrong is told apart from a freeze, and makes nothing expire', async (scene) => {
    const { clock } = scene.publisher;
    // Nobody has told the time: what was signed says that it is later than this machine believes.
    scene.attestedMs = null;
    clock.setWallMs(TEST_NOW_MS - 1000 * 24 * HOUR_MS);
    const behind = await scene.fetcher.refresh();
    assert.deepEqual([behind.validity, behind.clock, behind.cause], ['unconfirmed', 'behind', 'clock']);
    assert.equal((await scene.fetcher.target('releases/bundle')).validity, 'unconfirmed');
    // Ahead, or frozen: nobody can tell yet.
    clock.setWallMs(TEST_NOW_MS + 1000 * 24 * HOUR_MS);
    const ahead = await scene.fetcher.refresh();
    assert.deepEqual([ahead.validity, ahead.clock, ahead.cause], ['unconfirmed', 'unknown', 'freeze-or-clock']);
    assert.equal((await scene.fetcher.entryList(scene.key)).entries.length, 20);
    // A relay tells the time.
    scene.attestedMs = TEST_NOW_MS + HOUR_MS;
    const told = await scene.fetcher.refresh();
    assert.deepEqual([told.validity, told.clock, told.cause], ['valid', 'ahead', null]);
    scene.attestedMs = TEST_NOW_MS + 100 * HOUR_MS;
    const frozen = await scene.fetcher.refresh();
    assert.deepEqual([frozen.validity, frozen.clock, frozen.cause], ['expired', 'ahead', 'freeze']);
    clock.setWallMs(TEST_NOW_MS);
    scene.attestedMs = TEST_NOW_MS;
    await assertUnharmed(scene);
  });

  attack('bytes of a file that were not signed for', async (scene) => {
    await publishMore(scene);
    await scene.fetcher.refresh();
    scene.lie = (name, honest) => (name.startsWith('targets/') ? Buffer.alloc(honest?.length ?? 1, 'x') : honest);
    await assert.rejects(scene.fetcher.target('network/tactics'), { code: 'damaged' });
    await assert.rejects(scene.fetcher.entryList(scene.key), { code: 'damaged' });
    await assertUnharmed(scene);
  });

  attack('what is no metadata at all', async (scene) => {
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '{"signed":1}',
      '<html>blocked</html>',
      '{"signed":{"_type":"timestamp"},"signatures":[]}',
    ]) {
      scene.lie = (name, honest) => (name === TIMESTAMP ? Buffer.from(text) : honest);
      await assert.rejects(scene.fetcher.refresh(), { code: 'malformed' });
      scene.lie = (name, honest) => (name === 'metadata/2.root.json' ? Buffer.from(text) : honest);
      await assert.rejects(scene.fetcher.refresh(), { code: 'malformed' });
    }
    await assertUnharmed(scene);
  });

  attack('a lying mirror before an honest one costs nothing but time', async (scene) => {
    await using honest = await startMirror(scene.publisher.storage);
    await publishMore(scene);
    scene.lie = (name, bytes) =>
      scene.old.get(name) ?? (name.startsWith('targets/') ? Buffer.alloc(bytes?.length ?? 1) : null);
    scene.publisher.passHours(72);
    scene.attestedMs = scene.publisher.clock.wallMs();
    await scene.publisher.publish();
    await using liar = await startMirror(scene.publisher.storage, (name, bytes, response) =>
      scene.lie(name, bytes, response),
    );
    const fetcher = await scene.open({ mirrors: { urls: [liar.url, honest.url], dial: dialLoopback } });
    const outcome = await fetcher.refresh();
    assert.deepEqual([outcome.validity, outcome.cause], ['valid', null]);
    assert.equal((await fetcher.target('network/tactics')).bytes.toString(), 'tactics 2');
    assert.equal((await fetcher.entryList(scene.key)).version, 2);
    fetcher[Symbol.dispose]();
  });

  attack('a stolen timestamp key, replaced by a new root: what the thief has signed is void', async (scene) => {
    const { publisher } = scene;
    const [stolen] = publisher.keys.timestamp;
    assert.ok(stolen);
    const forged = forge(await readFile(publisher.storage, TIMESTAMP), { version: 1_000_000 }, [stolen]);
    scene.lie = (name, honest) => (name === TIMESTAMP ? forged : honest);
    assert.equal((await scene.fetcher.refresh()).version, 1_000_000);
    const fresh = publisher.drawKey();
    const change = { role: 'timestamp', add: [fresh], remove: [stolen.id] };
    await draftKeyChange(publisher, change, publisher.clock.wallMs());
    publisher.keys.timestamp = [fresh];
    await publisher.signPending();
    await publishMore(scene);
    await assert.rejects(scene.fetcher.refresh(), { code: 'not-authentic' });
    scene.lie = (_name, honest) => honest;
    assert.ok((await scene.fetcher.refresh()).version < 10);
    await assertUnharmed(scene);
  });
}
