import type {
  ApiError,
  ApiErrorCode,
  ClientEvent,
  EntriesAdded,
  EntryLink,
  EntryList,
  SessionReply,
  SettingsReply,
  SettingsRequest,
  Why,
} from '../../../src/local-api/api-types.ts';

/** A reader that hears nothing for so long begins anew (docs/spec/client-api.md, Events). */
const SILENCE_MS = 40_000;
const TOKEN_NAME = 'rozan.token';

/** What the client has refused, or `unreachable`: it does not answer. */
export class CallError extends Error {
  readonly code: ApiErrorCode | 'unreachable';

  constructor(code: ApiErrorCode | 'unreachable', message: string = code) {
    super(message);
    this.code = code;
  }
}

/** The client's local API (docs/spec/client-api.md). Every call throws a `CallError`. */
export class ClientApi {
  #token: string | null = sessionStorage.getItem(TOKEN_NAME);

  /** Whether there has ever been a token: without one, the address had no code. */
  get hasToken(): boolean {
    return this.#token !== null;
  }

  /** Exchanges the one-time code for a token that lasts as long as this tab. */
  async enter(code: string): Promise<void> {
    const { token } = await this.#call<SessionReply>('POST', '/api/session', { code });
    this.#token = token;
    sessionStorage.setItem(TOKEN_NAME, token);
  }

  connect = (): Promise<unknown> => this.#call('POST', '/api/connect', {});
  disconnect = (): Promise<unknown> => this.#call('POST', '/api/disconnect', {});
  settings = (): Promise<SettingsReply> => this.#call('GET', '/api/settings');
  changeSettings = (change: SettingsRequest): Promise<SettingsReply> => this.#call('PUT', '/api/settings', change);
  entries = (): Promise<EntryList> => this.#call('GET', '/api/entries');
  addEntries = (text: string): Promise<EntriesAdded> => this.#call('POST', '/api/entries', { text });
  why = (): Promise<Why> => this.#call('GET', '/api/why');

  async link(id: string): Promise<string> {
    return (await this.#call<EntryLink>('GET', `/api/entries/${encodeURIComponent(id)}/link`)).link;
  }

  /** What happens, from the state of now on; ends with a `CallError` when the client is not heard any more. */
  async *events(): AsyncGenerator<ClientEvent> {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const watch = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(), SILENCE_MS);
    };
    try {
      watch();
      const { body } = await this.#fetch('GET', '/api/events', { signal: controller.signal });
      const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (;;) {
        const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
        if (done || value === undefined) throw new CallError('unreachable');
        watch();
        const lines = (text + value).split('\n');
        text = lines.pop() ?? '';
        for (const line of lines) yield JSON.parse(line) as ClientEvent;
      }
    } catch (error) {
      throw error instanceof CallError ? error : new CallError('unreachable');
    } finally {
      clearTimeout(timer);
      controller.abort();
    }
  }

  async #call<Reply>(method: string, path: string, body?: unknown): Promise<Reply> {
    const reply = await this.#fetch(method, path, body === undefined ? {} : { body: JSON.stringify(body) });
    return (await reply.json()) as Reply;
  }

  async #fetch(method: string, path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers();
    if (this.#token !== null) headers.set('authorization', `Bearer ${this.#token}`);
    if (init.body !== undefined) headers.set('content-type', 'application/json');
    const reply = await fetch(path, { ...init, method, headers }).catch(() => {
      throw new CallError('unreachable');
    });
    if (reply.ok) return reply;
    const { error } = ((await reply.json().catch(() => null)) ?? {
      error: { code: 'failed', message: '' },
    }) as ApiError;
    throw new CallError(error.code, error.message);
  }
}
