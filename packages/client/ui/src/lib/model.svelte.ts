import type {
  ClientEvent,
  ClientState,
  Entry,
  SettingsReply,
  SettingsRequest,
  Why,
} from '../../../src/local-api/api-types.ts';
import { CallError, ClientApi } from './api.ts';
import { i18n } from './i18n.svelte.ts';
import { chooseLanguage, type Language } from './language.ts';

export const PAGES = ['home', 'entries', 'settings', 'safety', 'why'] as const;
export type Page = (typeof PAGES)[number];

/** How the app stands with the client: `locked` is without a token that it takes, `lost` without an answer. */
type Access = 'opening' | 'open' | 'locked' | 'lost';
type Failure = CallError['code'];

/** Rates of the last minute are kept for the picture. */
const HISTORY = 60;
const MIN_RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;
/** A home page opens by itself only so soon after the person has pressed the button. */
const PRESSED_MS = 60_000;

export interface Rate {
  readonly up: number;
  readonly down: number;
}

function pageOf(hash: string): Page {
  return PAGES.find((page) => hash === `#${page}`) ?? 'home';
}

/** What the app knows of the client, and what it asks of it. */
class Model {
  readonly api = new ClientApi();
  access = $state<Access>('opening');
  page = $state<Page>('home');
  state = $state.raw<ClientState | null>(null);
  settings = $state.raw<SettingsReply | null>(null);
  entries = $state.raw<readonly Entry[]>([]);
  why = $state.raw<Why | null>(null);
  rates = $state.raw<readonly Rate[]>([]);
  /** What the last request has failed with, until the next. */
  failure = $state<Failure | null>(null);
  #pressedAt = Number.NEGATIVE_INFINITY;
  #addressLanguage: string | null = null;

  /** Reads the address, lets itself in, and follows what happens from then on. */
  async start(): Promise<void> {
    this.#addressLanguage = new URLSearchParams(location.search).get('lang');
    await this.#chooseLanguage(null);
    addEventListener('hashchange', () => void this.#readAddress());
    setInterval(() => this.#sample(), 1_000);
    await this.#readAddress();
    if (this.access === 'opening') this.#followOrLock();
  }

  /** Leaves the choice to the person's settings, unless the address has said. */
  async setLanguage(language: Language): Promise<void> {
    this.#addressLanguage = null;
    await i18n.use(language);
    if (this.access === 'open') await this.change({ language });
  }

  /** Does what a press of a button has asked for; what is refused is shown. */
  async attempt<Result>(action: () => Promise<Result>): Promise<Result | null> {
    this.failure = null;
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (error.code === 'unauthorized') this.#noteAccess(error);
      else this.failure = error.code;
      return null;
    }
  }

  async toggle(): Promise<void> {
    const isOff = this.state?.phase === 'off';
    this.#pressedAt = isOff ? performance.now() : Number.NEGATIVE_INFINITY;
    await this.attempt(isOff ? this.api.connect : this.api.disconnect);
  }

  /** Returns whether it was taken. */
  async change(change: SettingsRequest): Promise<boolean> {
    const reply = await this.attempt(() => this.api.changeSettings(change));
    if (reply !== null) this.settings = reply;
    return reply !== null;
  }

  async #chooseLanguage(chosen: string | null): Promise<void> {
    await i18n.use(chooseLanguage([this.#addressLanguage, chosen, ...navigator.languages]));
  }

  /** A new link in a tab that is open changes only what stands behind the #, so it is read whenever that changes. */
  async #readAddress(): Promise<void> {
    const code = new URLSearchParams(location.hash.slice(1)).get('code');
    // A code is a secret while it lasts, and of no use afterwards: it leaves the address and the history.
    if (code !== null) history.replaceState(null, '', `${location.pathname}${location.search}#home`);
    this.page = pageOf(location.hash);
    if (code === null) return;
    try {
      await this.api.enter(code);
      if (this.access === 'locked') this.#followOrLock();
    } catch (error) {
      // A tab that is let in already stays so, whatever became of the code.
      if (!this.api.hasToken) this.#noteAccess(error);
    }
  }

  #followOrLock(): void {
    this.access = this.api.hasToken ? 'opening' : 'locked';
    if (this.api.hasToken) void this.#follow();
  }

  async #follow(): Promise<void> {
    let retryMs = MIN_RETRY_MS;
    while (this.access !== 'locked') {
      try {
        for await (const event of this.api.events()) {
          retryMs = MIN_RETRY_MS;
          await this.#take(event);
        }
      } catch (error) {
        this.#noteAccess(error);
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    }
  }

  async #take(event: ClientEvent): Promise<void> {
    if (this.access !== 'open') {
      this.access = 'open';
      await Promise.all([this.#readSettings(), this.#readEntries(), this.#readWhy()]);
      await this.#chooseLanguage(this.settings?.settings.language ?? null);
    }
    if (event.type === 'state') this.#show(event.state);
    else if (event.type === 'settings') await this.#readSettings();
    else if (event.type === 'entries') await this.#readEntries();
    else if (event.type === 'why') await this.#readWhy();
  }

  #show(state: ClientState): void {
    if (state.phase !== this.state?.phase) void this.#readWhy().catch(() => {});
    this.state = state;
    if (state.phase === 'connected') this.#openHomePage(state);
  }

  /**
   * Once for each press, and only where this browser goes through Rozan: elsewhere the page would be asked for in the open. The system's proxy may be
   * set a moment after the connection is there.
   */
  #openHomePage({ homePage, systemProxy }: ClientState): void {
    const wasPressed = performance.now() - this.#pressedAt < PRESSED_MS;
    if (!wasPressed || homePage === null || systemProxy !== 'on') return;
    this.#pressedAt = Number.NEGATIVE_INFINITY;
    open(homePage, '_blank', 'noopener,noreferrer');
  }

  #sample(): void {
    const traffic = this.state?.traffic;
    if (traffic === undefined) return;
    this.rates = [...this.rates, { up: traffic.upPerSecond, down: traffic.downPerSecond }].slice(-HISTORY);
  }

  async #readSettings(): Promise<void> {
    this.settings = await this.api.settings();
  }

  async #readEntries(): Promise<void> {
    this.entries = (await this.api.entries()).entries;
  }

  async #readWhy(): Promise<void> {
    this.why = await this.api.why();
  }

  #noteAccess(error: unknown): void {
    const code = error instanceof CallError ? error.code : 'failed';
    this.access = code === 'unauthorized' || code === 'bad-code' ? 'locked' : 'lost';
  }
}

export const model = new Model();
