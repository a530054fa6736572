import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { runTransfer, startOrigin } from '../../../../bench/integrity.mjs';
import { runRozan } from '../testing/program.ts';
import { startSiblingPrograms, until } from '../testing/sibling-programs.ts';

const MB = 6;
/** Slow enough to be blocked in the middle. */
const LINE_KBPS = 40_000;
const BLOCK_AFTER_BYTES = 1_000_000;

const CASES = [
  { way: 'refuse', workers: 2, transports: { home: 'websocket', other: 'http' } },
  { way: 'blackhole', workers: 1, transports: { home: 'opaque', other: 'opaque' } },
] as const;

describe("a download and an upload while the home relay's address is blocked", { timeout: 180_000 }, () => {
  for (const { way, workers, transports } of CASES) {
    const { home: behind, other: before } = transports;
    test(`${way}, ${workers} worker(s): both go on by ${before} through the sibling and ${behind} behind it, byte for byte`, async () => {
      await using stack = new AsyncDisposableStack();
      const origin = await startOrigin();
      stack.defer(() => origin.stop());
      const { home, other, client, cutter } = stack.use(
        await startSiblingPrograms({ workers, transports, originPort: origin.port }),
      );
      cutter.setMode({ lineKbps: LINE_KBPS });
      cutter.cutAll();
      const transfers = runTransfer({ socks: client.text('socks'), originPort: origin.port, mb: MB });
      await until(() => Math.min(cutter.carried.down, cutter.carried.up) > BLOCK_AFTER_BYTES);
      await cutter.outage(true, way);
      const carried = { ...cutter.carried };
      const { through } = await client.waitForEvent(({ event }) => event === 'session.rerouted');
      assert.equal(through, other.tag);
      // Each byte is compared there.
      for (const { bytes } of await transfers) assert.equal(bytes, MB * 1e6);
      assert.ok(cutter.carried.down < MB * 1e6 && carried.down < MB * 1e6, 'the rest went elsewhere');
      assert.equal(client.events.filter(({ event }) => event === 'session.closed').length, 0);
      assert.ok((await other.metric('rozan_relay_forwards_total', 'outcome="forwarded"')) >= 1);
      assert.equal(await home.metric('rozan_relay_forwards_total'), 0);
      const { out } = await runRozan(['relay', 'siblings', 'list', '--json', '--data', home.folder]);
      assert.equal(JSON.parse(out).length, 1);
      assert.doesNotMatch(out, /127\.0\.0\.1/);
    });
  }
});
