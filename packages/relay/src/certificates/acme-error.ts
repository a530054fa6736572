import { RelayError } from '../data-folder/relay-error.ts';

/** Why there is no certificate. */
export type AcmeReason =
  /** The authority cannot be reached, or does not answer. */
  | 'unreachable'
  /** The authority cannot reach this relay by the name, or the name leads elsewhere. */
  | 'not-validated'
  /** The authority wants less of this relay for some time. */
  | 'rate-limited'
  /** The authority does not give certificates for this name, or to this account. */
  | 'refused'
  /** The authority's answer is not one of RFC 8555. */
  | 'malformed'
  /** Something on this machine failed. */
  | 'internal';

const REMEDIES: Readonly<Record<AcmeReason, string>> = {
  unreachable:
    'See that this machine reaches the directory of the authority by HTTPS, and that acme-directory and acme-root are right.',
  'not-validated': "See that the name's addresses are this relay's, and that port 443 of them leads to this listener.",
  'rate-limited': 'Wait. It is tried again when the authority says so; another name has a limit of its own.',
  refused: 'See that the authority gives certificates for this name, and whether it wants acme-contact.',
  malformed: 'See that acme-directory is the URL of a directory of ACME.',
  internal: "See that the relay's folder can be written, and that its disk is not full.",
};

/** No certificate was to be had, for now. Its message quotes nothing of what the authority wrote, which may name addresses. */
export class AcmeError extends RelayError {
  readonly reason: AcmeReason;
  /** What the authority calls it (RFC 8555 §6.7), without what is before the last colon; null when it has said nothing. */
  readonly problem: string | null;
  /** From when on the authority wants to be asked again, by its word; null when it has said nothing. */
  readonly retryAfterMs: number | null;

  constructor(
    reason: AcmeReason,
    message: string,
    options: ErrorOptions & { readonly problem?: string | null; readonly retryAfterMs?: number | null } = {},
  ) {
    super('certificate', message, { ...options, remedy: REMEDIES[reason] });
    this.name = 'AcmeError';
    this.reason = reason;
    this.problem = options.problem ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

const REASONS: Readonly<Record<string, AcmeReason>> = {
  rateLimited: 'rate-limited',
  connection: 'not-validated',
  dns: 'not-validated',
  tls: 'not-validated',
  unauthorized: 'not-validated',
  incorrectResponse: 'not-validated',
  serverInternal: 'unreachable',
};

/** The error for a problem document (RFC 7807), or what should be one; `otherwise` where its type does not say more. */
export function errorOfProblem(
  document: unknown,
  {
    otherwise = 'refused',
    retryAfterMs = null,
  }: { readonly otherwise?: AcmeReason; readonly retryAfterMs?: number | null } = {},
): AcmeError {
  const type = typeof document === 'object' && document !== null && 'type' in document ? document.type : null;
  const [, problem = null] = /^urn:ietf:params:acme:error:([A-Za-z]{1,40})$/.exec(String(type)) ?? [];
  const reason = REASONS[problem ?? ''] ?? otherwise;
  return new AcmeError(reason, `the authority says: ${problem ?? 'no'}`, { problem, retryAfterMs });
}
