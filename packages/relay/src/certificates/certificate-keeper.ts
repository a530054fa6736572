import {
  backoffMs,
  type CertificateOrder,
  type CertificateState,
  drawKey,
  type Env,
  findTransport,
  type Identity,
  pemOfKey,
  sleep,
} from '@rozan/tunnel';
import type { ListenPlace } from '../data-folder/relay-config.ts';
import type { Resolver } from '../egress/resolver.ts';
import { CERTIFICATE_BOUNDS } from '../limits/constants.ts';
import { AcmeClient } from './acme-client.ts';
import { AcmeError } from './acme-error.ts';
import type { CertificateRecord, CertificateStore } from './certificate-file.ts';
import { createHttpsRequest } from './https-request.ts';
import { readAccountKey } from './jws.ts';
import { obtainCertificate, parseCertificate } from './obtain-certificate.ts';

/** What the keeper needs. */
export interface CertificateKeeperOptions {
  readonly store: CertificateStore;
  readonly orders: readonly CertificateOrder[];
  readonly resolver: Resolver;
  /** Gives all listeners what there is now; resolves when they have it. */
  readonly show: (states: readonly CertificateState[]) => Promise<void>;
}

/** The certificates that these listeners want, one for each name. */
export function certificateOrders(places: readonly ListenPlace[]): readonly CertificateOrder[] {
  const orders = new Map<string, CertificateOrder>();
  for (const { transport: name, settings } of places) {
    const transport = findTransport(name);
    const order = transport?.certificateOrderOf?.(transport.parseSettings(settings)) ?? null;
    if (order !== null && !orders.has(order.name)) orders.set(order.name, order);
  }
  return [...orders.values()];
}

/** What an earlier run of the relay has got. Throws a `RelayError`. */
export function readCertificateStates(
  store: CertificateStore,
  orders: readonly CertificateOrder[],
): Promise<CertificateState[]> {
  return Promise.all(
    orders.map(async ({ name, directory }) => {
      const { identity } = await store.read(name, directory);
      return { name, identity, challenge: null };
    }),
  );
}

/** When a certificate is to be replaced, by the wall clock; at once where there is none. `fraction` draws it (0 … 1). */
export function renewalMs(identity: Identity | null, fraction: number): number {
  const parsed = identity === null ? null : parseCertificate(identity.certificate);
  if (parsed === null) return 0;
  const [fromMs, toMs] = [Date.parse(parsed.validFrom), Date.parse(parsed.validTo)];
  const { renewShare, renewJitterShare } = CERTIFICATE_BOUNDS;
  return toMs - (toMs - fromMs) * (renewShare + renewJitterShare * fraction);
}

/** Gets and renews certificates as long as it lives; what fails is told by an event, and tried again. */
export function createCertificateKeeper(env: Env, options: CertificateKeeperOptions): AsyncDisposable {
  const end = new AbortController();
  const states = new Map<string, CertificateState>();
  const showAll = () => options.show([...states.values()]);
  const keeping = options.orders.map((order) =>
    keepName(env, { ...options, order, states, showAll, signal: end.signal }).catch(() => {
      // It ends by the signal, and by a folder that others can read, which a start has refused already.
    }),
  );
  return {
    [Symbol.asyncDispose]: async () => {
      end.abort(new Error('the relay ends'));
      await Promise.all(keeping);
    },
  };
}

interface KeptName {
  readonly store: CertificateStore;
  readonly order: CertificateOrder;
  readonly resolver: Resolver;
  readonly states: Map<string, CertificateState>;
  readonly showAll: () => Promise<void>;
  readonly signal: AbortSignal;
}

async function keepName(env: Env, kept: KeptName): Promise<void> {
  const { order, store, signal, states } = kept;
  const { name, directory } = order;
  let record = await store.read(name, directory);
  const save = async (next: CertificateRecord) => {
    record = next;
    await store.write(name, next);
  };
  const show = (challenge: Identity | null) => {
    states.set(name, { name, identity: record.identity, challenge });
    return kept.showAll();
  };
  states.set(name, { name, identity: record.identity, challenge: null });
  for (let failures = 0; ; ) {
    await untilWall(env, renewalMs(record.identity, env.random.fraction()), signal);
    try {
      if (record.account === null)
        await save({ ...record, account: { key: pemOfKey(drawKey(env.random)), url: null } });
      const client = await openClient(env, kept, record);
      const { certificate } = await obtainCertificate(env, { order, client, record, save, show, signal });
      failures = 0;
      const expiresMs = Date.parse(parseCertificate(certificate)?.validTo ?? '');
      env.log({ event: 'certificate.issued', name, expires: Math.floor(expiresMs / 1000) });
    } catch (error) {
      if (signal.aborted) throw error;
      failures += 1;
      const failure = error instanceof AcmeError ? error : new AcmeError('internal', 'it failed', { cause: error });
      await waitAfter(env, failure, { name, failures, signal });
    }
  }
}

async function waitAfter(
  env: Env,
  error: AcmeError,
  { name, failures, signal }: { readonly name: string; readonly failures: number; readonly signal: AbortSignal },
): Promise<void> {
  const { firstRetryMs: minMs, longestRetryMs: maxMs } = CERTIFICATE_BOUNDS;
  const ownMs = backoffMs(failures, { minMs, maxMs, fraction: env.random.fraction() });
  // What the authority asks for is kept to, and drawn a little longer, so that not all come back at once.
  const askedMs = (error.retryAfterMs ?? 0) * (1 + CERTIFICATE_BOUNDS.renewJitterShare * env.random.fraction());
  const retryMs = Math.round(Math.max(ownMs, askedMs));
  const { reason, problem, remedy } = error;
  env.log({ event: 'certificate.failed', name, reason, problem, retryMs, remedy });
  await untilWall(env, env.clock.wallMs() + retryMs, signal);
}

/** Waits in steps: the wall clock may jump, and the machine may sleep. */
async function untilWall(env: Env, dueMs: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const leftMs = dueMs - env.clock.wallMs();
    if (leftMs <= 0) return;
    await sleep(env, Math.min(leftMs, CERTIFICATE_BOUNDS.lookMs), signal);
  }
}

async function openClient(
  env: Env,
  { order, store, resolver, signal }: KeptName,
  record: CertificateRecord,
): Promise<AcmeClient> {
  const { account } = record;
  if (account === null) throw new AcmeError('refused', 'there is no account');
  const roots =
    order.root === undefined
      ? undefined
      : await store.readRoot(order.root).catch(() => {
          throw new AcmeError('unreachable', 'the file of acme-root cannot be read');
        });
  const request = createHttpsRequest(env, { resolver, roots });
  const key = readAccountKey(account.key);
  return new AcmeClient(request, { clock: env.clock, directory: order.directory, key, account: account.url, signal });
}
