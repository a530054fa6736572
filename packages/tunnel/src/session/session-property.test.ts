import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { CutKind } from '../testing/memory-lane.ts';
import type { SessionStream } from './session-stream.ts';
import { createSessionPair, type SessionPair } from './testing/session-pair.ts';

type Side = 'client' | 'relay';

/** One thing that happens. Indices are taken modulo what is there. */
type Step =
  | { readonly kind: 'open'; readonly upBytes: number; readonly downBytes: number; readonly slow: boolean }
  | { readonly kind: 'end'; readonly which: number; readonly side: Side }
  | { readonly kind: 'reset'; readonly which: number; readonly side: Side }
  | { readonly kind: 'attach' }
  | { readonly kind: 'cut'; readonly how: CutKind; readonly which: number }
  | { readonly kind: 'cut-all'; readonly how: CutKind }
  | { readonly kind: 'retire'; readonly which: number; readonly side: Side }
  | { readonly kind: 'give-up'; readonly which: number; readonly side: Side }
  | { readonly kind: 'bond'; readonly carriers: number }
  | { readonly kind: 'advance'; readonly ms: number };

const which = fc.nat({ max: 20 });
const side = fc.constantFrom<Side>('client', 'relay');
const how = fc.constantFrom<CutKind>('rst', 'fin', 'stall');
const bytes = fc.oneof(
  fc.constant(0),
  fc.nat({ max: 300 }),
  fc.nat({ max: 70_000 }),
  // More than a stream's first window.
  fc.integer({ min: 250_000, max: 400_000 }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(bytes, bytes, fc.boolean())
      .map(([upBytes, downBytes, slow]): Step => ({ kind: 'open', upBytes, downBytes, slow })),
  },
  { weight: 3, arbitrary: fc.tuple(which, side).map(([w, s]): Step => ({ kind: 'end', which: w, side: s })) },
  { weight: 1, arbitrary: fc.tuple(which, side).map(([w, s]): Step => ({ kind: 'reset', which: w, side: s })) },
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'attach' }) },
  { weight: 3, arbitrary: fc.tuple(which, how).map(([w, h]): Step => ({ kind: 'cut', how: h, which: w })) },
  { weight: 1, arbitrary: how.map((h): Step => ({ kind: 'cut-all', how: h })) },
  { weight: 2, arbitrary: fc.tuple(which, side).map(([w, s]): Step => ({ kind: 'retire', which: w, side: s })) },
  { weight: 2, arbitrary: fc.tuple(which, side).map(([w, s]): Step => ({ kind: 'give-up', which: w, side: s })) },
  { weight: 1, arbitrary: fc.nat({ max: 9 }).map((carriers): Step => ({ kind: 'bond', carriers })) },
  { weight: 8, arbitrary: fc.nat({ max: 120 }).map((ms): Step => ({ kind: 'advance', ms })) },
);

/** Bytes of which no two runs look alike. */
const SOURCE = Buffer.alloc(500_000);
for (let offset = 0; offset < SOURCE.length; offset += 32) {
  createHash('sha256').update(String(offset)).digest().copy(SOURCE, offset);
}

/** Writes bytes that are overwritten as soon as the call is over. */
function lend(stream: SessionStream, bytes: Buffer): void {
  const lent = Buffer.from(bytes);
  stream.writeBorrowed(lent);
  lent.fill(0xee);
}

/** What one end of a stream has written and has seen come. */
class End {
  readonly stream: SessionStream;
  readonly received: Buffer[] = [];
  ended = false;
  closed = false;
  error: Error | null = null;

  constructor(stream: SessionStream, slow: boolean) {
    this.stream = stream;
    stream.on('data', (chunk: Buffer) => {
      this.received.push(Buffer.from(chunk));
      stream.releaseRead(chunk);
      if (!slow) return;
      stream.pause();
      setImmediate(() => stream.resume());
    });
    stream.on('end', () => {
      this.ended = true;
    });
    stream.on('error', (error) => {
      this.error = error;
    });
    stream.on('close', () => {
      this.closed = true;
    });
  }
}

/** One stream, what each side was to send over it, and what became of it. */
interface Story {
  readonly up: Buffer;
  readonly down: Buffer;
  readonly slow: boolean;
  readonly client: End;
  relay: End | null;
  reset: boolean;
  relayEnds: boolean;
}

class Play {
  readonly #pair: SessionPair;
  readonly #stories: Story[] = [];
  #served = 0;

  constructor(pair: SessionPair) {
    this.#pair = pair;
  }

  async step(one: Step): Promise<void> {
    const { clock, network } = this.#pair;
    switch (one.kind) {
      case 'open':
        this.#open(one);
        break;
      case 'end':
        this.#end(this.#stories[one.which % this.#stories.length], one.side);
        break;
      case 'reset':
        this.#reset(this.#stories[one.which % this.#stories.length], one.side);
        break;
      case 'attach':
        await this.#pair.attach();
        break;
      case 'cut':
        network.connections[one.which % network.connections.length]?.cut(one.how);
        break;
      case 'cut-all':
        network.cutAll(one.how);
        break;
      case 'retire':
      case 'give-up':
        this.#letGo(one);
        break;
      case 'bond':
        this.#pair.client.bond(one.carriers);
        break;
      case 'advance':
        await clock.advance(one.ms);
    }
    this.#serve();
  }

  #open({ upBytes, downBytes, slow }: Step & { kind: 'open' }): void {
    const index = this.#stories.length;
    const stream = this.#pair.client.openStream(Buffer.from(String(index)));
    const up = SOURCE.subarray(index, index + upBytes);
    const down = SOURCE.subarray(2 * index, 2 * index + downBytes);
    this.#stories.push({ up, down, slow, client: new End(stream, slow), relay: null, reset: false, relayEnds: false });
    stream.write(up.subarray(0, up.length >> 1));
    lend(stream, up.subarray(up.length >> 1));
  }

  #end(story: Story | undefined, by: Side): void {
    if (story === undefined) return;
    if (by === 'client') story.client.stream.end();
    else story.relayEnds = true;
    if (by === 'relay') story.relay?.stream.end();
  }

  #reset(story: Story | undefined, by: Side): void {
    const end = story?.[by];
    if (story === undefined || end === null || end === undefined || end.stream.destroyed) return;
    story.reset = true;
    end.stream.reset('cancelled');
  }

  #letGo(one: Step & { kind: 'retire' | 'give-up' }): void {
    const session = this.#pair[one.side];
    const carrier = session.carriers[one.which % session.carriers.length];
    if (carrier === undefined) return;
    if (one.kind === 'retire' && carrier.confirmed) session.retire(carrier);
    else session.giveUp(carrier);
  }

  /** The relay's side of the streams that have come. */
  #serve(): void {
    for (const { stream, target } of this.#pair.accepted.slice(this.#served)) {
      this.#served += 1;
      const story = this.#stories[Number(target.toString())];
      assert.ok(story !== undefined && story.relay === null, 'a stream came twice');
      story.relay = new End(stream, story.slow);
      this.#pair.relay.sendOpened(stream);
      lend(stream, story.down);
      if (story.relayEnds) stream.end();
    }
  }

  get #isOver(): boolean {
    return this.#stories.every(({ client, relay }) => client.closed && (relay === null || relay.closed));
  }

  /** Peace: one new carrier, and everybody ends what they have begun. */
  async finish(): Promise<void> {
    const { client, relay, clock } = this.#pair;
    for (const carrier of client.carriers) client.giveUp(carrier);
    await this.#pair.attach();
    for (const story of this.#stories) {
      this.#end(story, 'client');
      this.#end(story, 'relay');
    }
    for (let round = 0; round < 300 && !(this.#isOver && client.streamCount + relay.streamCount === 0); round += 1) {
      await clock.advance(50);
      this.#serve();
    }
    await clock.advance(1000);
  }

  check(): void {
    for (const [index, story] of this.#stories.entries()) {
      const name = `stream ${index}${story.reset ? ', reset' : ''}`;
      this.#checkEnd(`${name}, client`, story.client, { expected: story.down, wasReset: story.reset });
      if (story.relay !== null)
        this.#checkEnd(`${name}, relay`, story.relay, { expected: story.up, wasReset: story.reset });
      else assert.ok(story.reset, `${name} never came to the relay`);
    }
    const { client, relay } = this.#pair;
    assert.ok(!client.closed && !relay.closed, 'a session was closed');
    assert.equal(client.streamCount, 0, 'streams of the client are left');
    assert.equal(relay.streamCount, 0, 'streams of the relay are left');
    assert.equal(client.heldBytes, 0, 'bytes of the client are left');
    assert.equal(relay.heldBytes, 0, 'bytes of the relay are left');
    assert.equal(client.carriers.length, 1);
    assert.equal(relay.carriers.length, 1);
  }

  #checkEnd(name: string, end: End, { expected, wasReset }: { expected: Buffer; wasReset: boolean }): void {
    const received = Buffer.concat(end.received);
    assert.ok(received.equals(expected.subarray(0, received.length)), `${name}: other bytes than were sent`);
    if (end.ended) assert.equal(received.length, expected.length, `${name}: a short stream ended cleanly`);
    if (!wasReset) {
      assert.ok(end.ended && end.error === null, `${name}: ${end.error?.message ?? 'no end'}`);
    }
  }
}

describe('a session, whatever happens under it', () => {
  it('delivers every byte once and in order, ends only what is whole, and keeps nothing afterwards', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.nat({ max: 30 }),
        async (steps, latencyMs) => {
          const play = new Play(await createSessionPair({ latencyMs }));
          for (const one of steps) await play.step(one);
          await play.finish();
          play.check();
        },
      ),
      { numRuns: 60 },
    );
  });
});
