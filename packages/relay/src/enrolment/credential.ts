import type { Env } from '@rozan/tunnel';
import { RelayError } from '../data-folder/relay-error.ts';
import { ENROLMENT_BOUNDS } from '../limits/constants.ts';
import { askControlPlane, type ControlRequest } from './control-plane.ts';
import { type Enrolment, readEnrolment, writeEnrolment } from './enrolment-file.ts';

/** A request of a relay that is known. */
export type KnownRequest = Omit<ControlRequest, 'credential'>;

function isRefusal(error: unknown): boolean {
  return error instanceof RelayError && error.code === 'control-refused';
}

/**
 * By what the control plane knows a relay, and its renewal (docs/spec/enrolment.md §2). A new credential is used only once it is kept, and the one before it
 * is kept beside it: a control plane whose database came from an older backup knows that one.
 */
export class RelayCredential {
  readonly #env: Env;
  readonly #folder: string;
  readonly #renewMs: number;
  #enrolment: Enrolment;
  /** On the monotonic clock, after a renewal that has failed. */
  #notBeforeMs = 0;

  constructor(env: Env, { folder, enrolment }: { readonly folder: string; readonly enrolment: Enrolment }) {
    const [least, most] = ENROLMENT_BOUNDS.renewMs;
    this.#env = env;
    this.#folder = folder;
    this.#enrolment = enrolment;
    this.#renewMs = least + env.random.fraction() * (most - least);
  }

  /** Asks the control plane, as the relay that it knows. Rejects as `askControlPlane` does. */
  async ask(request: KnownRequest): Promise<unknown> {
    const { credential, former } = this.#enrolment;
    try {
      return await this.#askWith(credential, request);
    } catch (error) {
      if (former === null || !isRefusal(error)) throw error;
      const reply = await this.#askWith(former, request);
      // Where that fails it is tried again with the next request.
      await this.#keep({ ...this.#enrolment, credential: former, former: null }).catch(() => {});
      return reply;
    }
  }

  /** Asks for another credential where this one is old. It never throws: whatever goes wrong, the relay is known by the one that it has. */
  async renewIfDue(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#env;
    if (!this.#isDue()) return;
    try {
      const { credential } = this.#enrolment;
      const reply = await this.#askWith(credential, { method: 'POST', path: '/relays/self/credential', signal });
      const next: unknown = Object(reply).credential;
      if (typeof next !== 'string')
        throw new RelayError('control-unreachable', 'the control plane has given no credential');
      await this.#keep({ ...this.#enrolment, credential: next, former: credential, sinceMs: clock.wallMs() });
      log({ event: 'credential.renewed' });
    } catch (error) {
      if (signal.aborted) return;
      this.#notBeforeMs = clock.monotonicMs() + ENROLMENT_BOUNDS.renewAgainMs;
      log({ event: 'credential.failed', code: error instanceof RelayError ? error.code : 'failed' });
    }
  }

  #isDue(): boolean {
    const { clock } = this.#env;
    const { sinceMs } = this.#enrolment;
    if (clock.monotonicMs() < this.#notBeforeMs) return false;
    // Also where the clock was far ahead when it was given.
    return sinceMs === null || Math.abs(clock.wallMs() - sinceMs) >= this.#renewMs;
  }

  #askWith(credential: string, request: KnownRequest): Promise<unknown> {
    const { url, roots } = this.#enrolment;
    return askControlPlane(this.#env, { url, roots }, { ...request, credential });
  }

  async #keep(enrolment: Enrolment): Promise<void> {
    const kept = await readEnrolment(this.#folder);
    // The relay has been enrolled again beside this process, which goes on with what it has until it is started again.
    const isOurs = kept === null || kept.credential === this.#enrolment.credential;
    if (!isOurs) throw new RelayError('enrolled', 'this relay has been enrolled again: it has to be started again');
    await writeEnrolment(this.#folder, enrolment);
    this.#enrolment = enrolment;
  }
}
