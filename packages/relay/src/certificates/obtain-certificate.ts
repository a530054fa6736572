import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import {
  type CertificateOrder,
  createChallengeIdentity,
  createSigningRequest,
  drawKey,
  type Env,
  type Identity,
  pemOfKey,
  sleep,
} from '@rozan/tunnel';
import { CERTIFICATE_BOUNDS } from '../limits/constants.ts';
import type { AcmeClient, AcmeOrder } from './acme-client.ts';
import { AcmeError, errorOfProblem } from './acme-error.ts';
import type { CertificateRecord, PendingOrder } from './certificate-file.ts';

/** What one attempt needs. */
export interface ObtainOptions {
  readonly order: CertificateOrder;
  readonly client: AcmeClient;
  /** What is kept; an order in it is gone on with. */
  readonly record: CertificateRecord;
  /** Keeps it; resolves when it is on disk. */
  readonly save: (record: CertificateRecord) => Promise<void>;
  /** Has all listeners show the challenge from now on, or none. */
  readonly show: (challenge: Identity | null) => Promise<void>;
  readonly signal: AbortSignal;
}

/** After these the order is of no use any more. */
const FINAL_REASONS: ReadonlySet<string> = new Set(['refused', 'not-validated', 'malformed']);

/**
 * Gets a certificate, and keeps it. Whatever ends this, the next attempt goes on where it was: account, order and key are on disk before they are
 * used. Rejects with an `AcmeError`, or the signal's reason.
 */
export async function obtainCertificate(env: Env, options: ObtainOptions): Promise<Identity> {
  const attempt = new Attempt(env, options);
  try {
    return await attempt.run();
  } catch (error) {
    if (error instanceof AcmeError) await attempt.forget(error);
    throw error;
  } finally {
    if (!options.signal.aborted) await options.show(null);
  }
}

class Attempt {
  readonly #env: Env;
  readonly #options: ObtainOptions;
  readonly #answered = new Set<string>();
  #record: CertificateRecord;

  constructor(env: Env, options: ObtainOptions) {
    this.#env = env;
    this.#options = options;
    this.#record = options.record;
  }

  async run(): Promise<Identity> {
    const { client, order } = this.#options;
    if (client.account === null) {
      const url = await client.openAccount(order.contact);
      const { account } = this.#record;
      if (account !== null) await this.#save({ account: { ...account, url } });
    }
    const pending = await this.#openOrder();
    const deadlineMs = this.#env.clock.monotonicMs() + CERTIFICATE_BOUNDS.undecidedMs;
    while (this.#env.clock.monotonicMs() < deadlineMs) {
      const state = await client.readOrder(pending.url);
      if (state === null) throw new AcmeError('refused', 'the authority has forgotten the order');
      if (state.status === 'valid' && state.certificate !== null) return await this.#take(state.certificate, pending);
      await this.#advance(state, pending);
    }
    throw new AcmeError('unreachable', 'the authority does not decide');
  }

  /** Of what is kept, that which this failure has made useless. */
  async forget({ reason, problem }: AcmeError): Promise<void> {
    const { account } = this.#record;
    if (problem === 'accountDoesNotExist' && account !== null) {
      await this.#save({ account: { ...account, url: null }, order: null });
    } else if (this.#record.order !== null && FINAL_REASONS.has(reason)) await this.#save({ order: null });
  }

  async #save(changes: Partial<CertificateRecord>): Promise<void> {
    this.#record = { ...this.#record, ...changes };
    await this.#options.save(this.#record);
  }

  async #openOrder(): Promise<PendingOrder> {
    const { client, order } = this.#options;
    const before = this.#record.order;
    const state = before === null ? null : await client.readOrder(before.url);
    if (before !== null && state !== null && state.status !== 'invalid') return before;
    const opened = { url: await client.newOrder(order.name), key: pemOfKey(drawKey(this.#env.random)) };
    await this.#save({ order: opened });
    return opened;
  }

  async #advance(state: AcmeOrder, pending: PendingOrder): Promise<void> {
    const { client, order } = this.#options;
    let { retryAfterMs } = state;
    switch (state.status) {
      case 'ready':
        await client.finalize(state.finalize, createSigningRequest(createPrivateKey(pending.key), order.name));
        return;
      case 'pending':
        for (const url of state.authorizations) retryAfterMs = (await this.#authorize(url)) ?? retryAfterMs;
        break;
      case 'processing':
        break;
      default:
        throw await this.#failureOf(state);
    }
    const { leastPollMs, longestPollMs } = CERTIFICATE_BOUNDS;
    const waitMs = Math.min(longestPollMs, Math.max(leastPollMs, retryAfterMs ?? 0));
    await sleep(this.#env, waitMs, this.#options.signal);
  }

  /** Why an order is of no use: the challenge says more than the order. */
  async #failureOf({ authorizations, error }: AcmeOrder): Promise<AcmeError> {
    for (const url of authorizations) {
      const { challenge } = await this.#options.client.readAuthorization(url);
      if (challenge !== null && challenge.error !== null)
        return errorOfProblem(challenge.error, { otherwise: 'not-validated' });
    }
    return errorOfProblem(error);
  }

  /** Answers the challenge of an authorization once; gives the wait that the authority asks for. */
  async #authorize(url: string): Promise<number | null> {
    const { client, order, show } = this.#options;
    const { status, challenge, retryAfterMs } = await client.readAuthorization(url);
    if (status === 'valid') return null;
    if (challenge === null) throw new AcmeError('refused', 'the authority does not ask by TLS-ALPN-01');
    if (status !== 'pending') throw errorOfProblem(challenge.error, { otherwise: 'not-validated' });
    if (this.#answered.has(challenge.url)) return retryAfterMs;
    const digest = createHash('sha256').update(client.keyAuthorization(challenge.token)).digest();
    await show(createChallengeIdentity(this.#env.random, order.name, digest));
    // One that is processing was answered before a restart.
    if (challenge.status === 'pending') await client.respond(challenge.url);
    this.#answered.add(challenge.url);
    return retryAfterMs;
  }

  async #take(url: string, { key }: PendingOrder): Promise<Identity> {
    const identity = { key, certificate: await this.#options.client.download(url) };
    expectUsable(identity, this.#options.order.name);
    await this.#save({ identity, order: null });
    return identity;
  }
}

function expectUsable({ key, certificate }: Identity, name: string): void {
  const parsed = parseCertificate(certificate);
  if (parsed?.checkPrivateKey(createPrivateKey(key)) && parsed.checkHost(name) !== undefined) return;
  throw new AcmeError('malformed', 'the authority gave what is no certificate for the name');
}

/** The first certificate of a PEM text; null where there is none. */
export function parseCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}
