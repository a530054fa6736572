import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { encodeBase64url } from '@rozan/protocol';
import type { Conn, Env, Listener } from '@rozan/tunnel';

/** A secret of tests. */
export const testSecret = (number: number): string => encodeBase64url(Buffer.alloc(32, number));

/** Settings as a control plane tells them. */
export const TEST_SETTINGS = {
  relay: 'AAAAAAAAAAAAAAAAAAAAAA',
  version: 7,
  state: 'serving',
  isDraining: false,
  channels: [{ id: 'friends', accessSecret: testSecret(1), former: [] as { accessSecret: string; until: string }[] }],
  siblings: [] as string[],
};

/** A request as it came. */
export interface FakeAsked {
  readonly method: string;
  readonly path: string;
  readonly credential: string | null;
  readonly body: unknown;
}

/** What is sent back; null for nothing at all. */
export interface FakeReply {
  readonly status?: number;
  readonly json: unknown;
}

/** Answers a request otherwise than usual; undefined where it does not. */
export type FakeRule = (asked: FakeAsked) => FakeReply | null | undefined;

/** What a relay meets at its control plane, for one relay, in one process. */
export class FakeControl implements AsyncDisposable {
  readonly asked: FakeAsked[] = [];
  /** What it tells the relay to be; a test changes it, with its version. */
  settings: { readonly version: number; readonly [member: string]: unknown } = TEST_SETTINGS;
  rule: FakeRule = () => undefined;
  /** Whose reply is lost, after what was asked for has been done. */
  isLost: (asked: FakeAsked) => boolean = () => false;
  /** By what it knows the relay; the former one until the current one has been used. */
  known: { readonly current: string; readonly former: string | null } = { current: 'credential-0', former: null };
  #credentials = 0;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #conns = new Set<Conn>();
  #listener: Listener | null = null;

  /** The URL at which it answers. */
  get url(): string {
    return `http://127.0.0.1:${this.#listener?.address.port}/`;
  }

  /** How often a path was asked for. */
  count(path: string): number {
    return this.asked.filter((one) => one.path === path).length;
  }

  async listen({ network }: Pick<Env, 'network'>): Promise<void> {
    this.#listener = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
      this.#conns.add(conn);
      conn.on('error', () => conn.destroy()).once('close', () => this.#conns.delete(conn));
      this.#server.emit('connection', conn);
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const sent = await text(request);
    const asked: FakeAsked = {
      method,
      path: url,
      credential: headers.authorization?.replace('Bearer ', '') ?? null,
      body: sent === '' ? null : JSON.parse(sent),
    };
    this.asked.push(asked);
    const ruled = this.rule(asked);
    if (ruled === null) return;
    const { status = 200, json } = ruled ?? this.#usual(asked);
    if (this.isLost(asked)) {
      response.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(JSON.stringify(json));
  }

  #usual({ path, credential }: FakeAsked): FakeReply {
    const { current, former } = this.known;
    if (credential !== current && (credential === null || credential !== former)) {
      return { status: 401, json: { message: 'log in first' } };
    }
    switch (path) {
      case '/relays/report':
        if (credential === current) this.known = { current, former: null };
        return { json: { settingsVersion: this.settings.version } };
      case '/relays/self/credential':
        this.#credentials += 1;
        this.known = { current: `credential-${this.#credentials}`, former: credential };
        return { json: { credential: this.known.current } };
      default:
        return { json: this.settings };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = [...this.#conns].map((conn) => once(conn, 'close'));
    for (const conn of this.#conns) conn.destroy();
    await Promise.all(ends);
    await this.#listener?.close();
    this.#server.close();
  }
}
