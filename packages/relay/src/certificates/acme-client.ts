// The requests of RFC 8555 that a certificate for one name needs. What comes back is believed in no more than its form is checked here.
import type { Clock } from '@rozan/tunnel';
import type { HttpAnswer } from '../http-exchange.ts';
import { CERTIFICATE_BOUNDS } from '../limits/constants.ts';
import { AcmeError, errorOfProblem } from './acme-error.ts';
import type { HttpsRequest } from './https-request.ts';
import { type AccountKey, signRequest } from './jws.ts';

/** An order (RFC 8555 §7.1.3). */
export interface AcmeOrder {
  readonly status: string;
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate: string | null;
  /** What the authority says was wrong. */
  readonly error: unknown;
  /** When it wants to be asked again. */
  readonly retryAfterMs: number | null;
}

/** What an authority asks for, to see that a name is this relay's (§7.1.5). */
export interface AcmeChallenge {
  readonly status: string;
  readonly url: string;
  readonly token: string;
  readonly error: unknown;
}

/** An authorization (§7.1.4), with its challenge by TLS-ALPN-01. */
export interface AcmeAuthorization {
  readonly status: string;
  readonly challenge: AcmeChallenge | null;
  readonly retryAfterMs: number | null;
}

type Fields = Readonly<Record<string, unknown>>;

const CHALLENGE_TYPE = 'tls-alpn-01';
const NOT_FOUND = 404;

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new AcmeError('malformed', `the authority does not say "${name}"`);
}

function jsonOf({ body }: HttpAnswer): Fields {
  try {
    return fieldsOf(JSON.parse(body.toString('utf8')));
  } catch {
    return {};
  }
}

/** `Retry-After` as a delay (RFC 9110 §10.2.3); null for none. */
export function retryAfterOf(value: string | undefined, clock: Clock): number | null {
  if (value === undefined) return null;
  const delayMs = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - clock.wallMs();
  return Number.isFinite(delayMs) ? Math.max(0, delayMs) : null;
}

/** One authority, and this relay's account there. */
export class AcmeClient {
  /** The account's URL, once it is known. */
  account: string | null;
  readonly #request: HttpsRequest;
  readonly #clock: Clock;
  readonly #directoryUrl: string;
  readonly #key: AccountKey;
  readonly #signal: AbortSignal;
  #directory: Fields | null = null;
  #nonce: string | null = null;

  constructor(
    request: HttpsRequest,
    options: {
      readonly clock: Clock;
      readonly directory: string;
      readonly key: AccountKey;
      readonly account: string | null;
      readonly signal: AbortSignal;
    },
  ) {
    this.#request = request;
    this.#clock = options.clock;
    this.#directoryUrl = options.directory;
    this.#key = options.key;
    this.account = options.account;
    this.#signal = options.signal;
  }

  /** What the token of a challenge becomes (§8.1). */
  keyAuthorization(token: string): string {
    return `${token}.${this.#key.thumbprint}`;
  }

  /** Makes the account, or finds the one that this key has (§7.3). */
  async openAccount(contact: string | undefined): Promise<string> {
    const payload = { termsOfServiceAgreed: true, ...(contact === undefined ? {} : { contact: [contact] }) };
    const { headers } = await this.#post(await this.#resource('newAccount'), payload, { asNew: true });
    this.account = textOf(headers, 'location');
    return this.account;
  }

  /** Orders a certificate; gives the order's URL (§7.4). */
  async newOrder(name: string): Promise<string> {
    const answer = await this.#post(await this.#resource('newOrder'), { identifiers: [{ type: 'dns', value: name }] });
    return textOf(answer.headers, 'location');
  }

  /** The order as it stands; null when the authority knows it no more. */
  async readOrder(url: string): Promise<AcmeOrder | null> {
    const answer = await this.#post(url, undefined, { mayBeMissing: true });
    if (answer.status === NOT_FOUND) return null;
    const fields = jsonOf(answer);
    const { authorizations, certificate, error = null } = fields;
    if (!Array.isArray(authorizations) || !authorizations.every((each) => typeof each === 'string')) {
      throw new AcmeError('malformed', 'the authority does not say "authorizations"');
    }
    return {
      status: textOf(fields, 'status'),
      authorizations: authorizations.slice(0, CERTIFICATE_BOUNDS.authorizations),
      finalize: textOf(fields, 'finalize'),
      certificate: typeof certificate === 'string' ? certificate : null,
      error,
      retryAfterMs: this.#retryAfter(answer),
    };
  }

  async readAuthorization(url: string): Promise<AcmeAuthorization> {
    const answer = await this.#post(url);
    const fields = jsonOf(answer);
    const challenges = Array.isArray(fields.challenges) ? fields.challenges.map(fieldsOf) : [];
    const found = challenges.find(({ type }) => type === CHALLENGE_TYPE);
    const { error = null } = found ?? {};
    const challenge = found && {
      status: textOf(found, 'status'),
      url: textOf(found, 'url'),
      token: textOf(found, 'token'),
      error,
    };
    return { status: textOf(fields, 'status'), challenge: challenge ?? null, retryAfterMs: this.#retryAfter(answer) };
  }

  /** Says that the challenge can be looked at (§7.5.1). */
  async respond(url: string): Promise<void> {
    await this.#post(url, {});
  }

  /** Sends the request for the certificate itself, in DER (§7.4). */
  async finalize(url: string, signingRequest: Buffer): Promise<void> {
    await this.#post(url, { csr: signingRequest.toString('base64url') });
  }

  /** The certificate and those that vouch for it, in PEM (§7.4.2). */
  async download(url: string): Promise<string> {
    return (await this.#post(url)).body.toString('utf8');
  }

  async #resource(name: 'newNonce' | 'newAccount' | 'newOrder'): Promise<string> {
    if (this.#directory === null) {
      const answer = await this.#request(this.#directoryUrl, { method: 'GET', signal: this.#signal });
      if (answer.status !== 200) throw this.#problemOf(answer, 'malformed');
      this.#directory = jsonOf(answer);
    }
    return textOf(this.#directory, name);
  }

  async #takeNonce(): Promise<string> {
    const kept = this.#nonce;
    this.#nonce = null;
    if (kept !== null) return kept;
    const answer = await this.#request(await this.#resource('newNonce'), { method: 'HEAD', signal: this.#signal });
    return textOf(answer.headers, 'replay-nonce');
  }

  async #post(
    url: string,
    payload?: object,
    { asNew = false, mayBeMissing = false }: { readonly asNew?: boolean; readonly mayBeMissing?: boolean } = {},
  ): Promise<HttpAnswer> {
    for (let tries = 1; ; tries++) {
      const kid = asNew ? undefined : (this.account ?? '');
      const body = signRequest(this.#key, { url, nonce: await this.#takeNonce(), kid }, payload);
      const answer = await this.#request(url, { method: 'POST', body, signal: this.#signal });
      this.#nonce = answer.headers['replay-nonce'] ?? null;
      if (answer.status < 300 || (mayBeMissing && answer.status === NOT_FOUND)) return answer;
      const error = this.#problemOf(answer, 'refused');
      // §6.5: the authority gives a better one with the refusal.
      if (error.problem !== 'badNonce' || tries >= CERTIFICATE_BOUNDS.nonces) throw error;
    }
  }

  #problemOf(answer: HttpAnswer, otherwise: 'malformed' | 'refused'): AcmeError {
    const retryAfterMs = this.#retryAfter(answer);
    const error = errorOfProblem(jsonOf(answer), { retryAfterMs });
    if (error.problem !== null) return error;
    if (answer.status === 429) return new AcmeError('rate-limited', 'the authority answers 429', { retryAfterMs });
    const reason = answer.status >= 500 ? 'unreachable' : otherwise;
    return new AcmeError(reason, `the authority answers ${answer.status}`, { retryAfterMs });
  }

  #retryAfter({ headers }: HttpAnswer): number | null {
    return retryAfterOf(headers['retry-after'], this.#clock);
  }
}
