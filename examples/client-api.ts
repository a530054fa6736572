// A program that drives a Rozan client over its local API (docs/spec/client-api.md): connects, follows what happens, and disconnects.
//   rozan client --entry FILE --ui 127.0.0.1:0 --json      gives "ui", a URL that lets in once
//   node examples/client-api.ts URL
import type { ApiError, ClientEvent, ClientState, SessionReply } from '../packages/client/src/local-api/api-types.ts';

/** A client's local API. */
class ClientApi {
  readonly #origin: string;
  readonly #token: string;

  private constructor(origin: string, token: string) {
    this.#origin = origin;
    this.#token = token;
  }

  /** Lets itself in by the URL of a ready line. Its code is good once, and for a minute. */
  static async open(url: string): Promise<ClientApi> {
    const { origin, hash } = new URL(url);
    const code = new URLSearchParams(hash.slice(1)).get('code');
    const visitor = new ClientApi(origin, '');
    const { token } = await visitor.call<SessionReply>('POST', '/api/session', { code });
    return new ClientApi(origin, token);
  }

  /** Throws with the API's own words. */
  async call<Reply>(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<Reply> {
    const reply = await this.#fetch(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const json: unknown = await reply.json();
    if (!reply.ok) throw new Error((json as ApiError).error.message);
    return json as Reply;
  }

  /** What happens, from the state of now on. */
  async *events(): AsyncGenerator<ClientEvent> {
    const { body } = await this.#fetch('/api/events', {});
    let text = '';
    for await (const piece of (body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      const lines = (text + piece).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as ClientEvent;
    }
  }

  #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#token !== '') headers.set('authorization', `Bearer ${this.#token}`);
    return fetch(this.#origin + path, { ...init, headers });
  }
}

/** A state in a few words. */
function describe({ phase, attempt, connection }: ClientState): string {
  if (connection !== null) return `${phase}: looks like ${connection.looks.join(', ')}`;
  return attempt === null ? phase : `${phase}: trying ${attempt.trying} of ${attempt.ways} ways`;
}

const api = await ClientApi.open(process.argv[2] ?? '');
await api.call('POST', '/api/connect', {});
for await (const event of api.events()) {
  if (event.type !== 'state') continue;
  const { state } = event;
  process.stdout.write(`${describe(state)}\n`);
  if (state.phase === 'connected') await api.call('POST', '/api/disconnect', {});
  if (state.phase === 'off') break;
}
