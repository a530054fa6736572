// An authority for tests: the part of RFC 8555 that a certificate for one name needs, strict about nonces and signatures, and as unkind as it is told.
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { connect } from 'node:tls';
import { drawKey, type Env, type Listener, pemOfKey, type SocketAddress } from '@rozan/tunnel';
import { authorityExtensions, nameExtensions, SeededRandom, signCertificate } from '@rozan/tunnel/testing';

/** What goes wrong; a test changes it as it likes. */
export interface Unkindness {
  /** So many next nonces are refused. */
  badNonces: number;
  /** The next orders are refused, with this `Retry-After`; null for none. */
  rateLimit: string | null;
  /** Whether challenges count as failed, whatever is shown. */
  failsChallenges: boolean;
  /** So often an order is still `processing` after it was finalized. */
  slowness: number;
  /** What this returns true for gets no answer at all. */
  silentTo: (path: string) => boolean;
}

interface Order {
  readonly name: string;
  readonly account: string;
  readonly token: string;
  status: string;
  authorization: string;
  polls: number;
  certificate: string | null;
}

/** A running authority. */
export interface FakeAcme {
  readonly directory: string;
  /** The root that vouches for its own server, in PEM; and that of what it issues. */
  readonly serverRoot: string;
  readonly issuerRoot: string;
  readonly unkindness: Unkindness;
  /** Requests so far, each as `POST /path`. */
  readonly requests: readonly string[];
  /** So many certificates were issued, accounts made. */
  readonly issued: number;
  readonly accounts: number;
  /** Forgets all orders, as if their time were over. */
  forgetOrders(): void;
  forgetAccounts(): void;
  close(): Promise<void>;
}

const LIFE_MS = 90 * 86_400_000;
const SPKI_HEAD = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');
const SPKI_BYTES = 91;
const CHALLENGE_HEAD = Buffer.from('06082b0601050507011f0101ff042204' + '20', 'hex');

class Problem extends Error {
  readonly status: number;
  readonly type: string;
  readonly headers: Record<string, string>;

  constructor(status: number, type: string, headers: Record<string, string> = {}) {
    super(type);
    this.status = status;
    this.type = `urn:ietf:params:acme:error:${type}`;
    this.headers = headers;
  }
}

const decode = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString() || 'null');

/** Starts one that validates names at `validateAt`. */
export async function startFakeAcme(env: Env, validateAt: () => SocketAddress): Promise<FakeAcme> {
  const random = new SeededRandom(77);
  const self = { name: 'authority.test', key: drawKey(random) };
  const issuer = { name: 'Fake Issuer', key: drawKey(random) };
  const [fromMs, toMs] = [Date.UTC(2024, 0, 1), Date.UTC(2040, 0, 1)];
  const rootOf = (who: typeof self) =>
    signCertificate(random, {
      subject: who,
      issuer: who,
      fromMs,
      toMs,
      extensions: [...authorityExtensions(who.key, who.key), ...nameExtensions(who.name)],
    });
  const [serverRoot, issuerRoot] = [rootOf(self), rootOf(issuer)];
  const unkindness: Unkindness = {
    badNonces: 0,
    rateLimit: null,
    failsChallenges: false,
    slowness: 0,
    silentTo: () => false,
  };
  const nonces = new Set<string>();
  const accounts = new Map<string, { jwk: Record<string, string> }>();
  const orders = new Map<string, Order>();
  const requests: string[] = [];
  let issued = 0;
  let accountCount = 0;
  let base = '';

  const freshNonce = () => {
    const nonce = randomBytes(9).toString('base64url');
    nonces.add(nonce);
    return nonce;
  };
  const thumbprintOf = ({ crv, kty, x, y }: Record<string, string>) =>
    createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');

  /** Checks a request as RFC 8555 §6 wants it; gives its payload, and who has signed it. */
  const open = (url: string, body: string) => {
    const { protected: head, payload, signature } = JSON.parse(body);
    const { alg, nonce, url: signedUrl, kid, jwk } = decode(head);
    if (!nonces.delete(nonce) || unkindness.badNonces > 0) {
      unkindness.badNonces = Math.max(0, unkindness.badNonces - 1);
      throw new Problem(400, 'badNonce');
    }
    const known = kid === undefined ? undefined : accounts.get(kid);
    if (kid !== undefined && known === undefined) throw new Problem(400, 'accountDoesNotExist');
    const key = createPublicKey({ key: known?.jwk ?? jwk, format: 'jwk' });
    const isSigned = verify(
      'sha256',
      Buffer.from(`${head}.${payload}`),
      { key, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    );
    if (alg !== 'ES256' || signedUrl !== url || !isSigned) throw new Problem(400, 'malformed');
    return { payload: payload === '' ? undefined : decode(payload), kid, jwk };
  };

  const validate = async (order: Order) => {
    const account = accounts.get(order.account);
    const digest = createHash('sha256')
      .update(`${order.token}.${thumbprintOf(account?.jwk ?? {})}`)
      .digest();
    const shown = await askByAlpn(env, validateAt(), order.name);
    const isRight = shown?.includes(Buffer.concat([CHALLENGE_HEAD, digest])) === true && shown.includes(order.name);
    order.authorization = isRight && !unkindness.failsChallenges ? 'valid' : 'invalid';
    order.status = order.authorization === 'valid' ? 'ready' : 'invalid';
  };

  const issue = (order: Order, csr: Buffer) => {
    const at = csr.indexOf(SPKI_HEAD);
    const key = createPublicKey({ key: csr.subarray(at, at + SPKI_BYTES), format: 'der', type: 'spki' });
    const now = env.clock.wallMs();
    const subject = { name: order.name, key };
    const leaf = {
      subject,
      issuer,
      fromMs: now - 3_600_000,
      toMs: now - 3_600_000 + LIFE_MS,
      extensions: nameExtensions(order.name),
    };
    order.certificate = signCertificate(random, leaf) + issuerRoot;
    issued += 1;
  };

  const orderText = (id: string, order: Order) => ({
    status: order.status,
    ...(order.status === 'invalid'
      ? { error: { type: 'urn:ietf:params:acme:error:unauthorized', detail: '192.0.2.1 says no' } }
      : {}),
    authorizations: [`${base}/authz/${id}`],
    finalize: `${base}/finalize/${id}`,
    ...(order.status === 'valid' ? { certificate: `${base}/cert/${id}` } : {}),
  });

  const answer = async (
    path: string,
    body: string,
  ): Promise<{ status?: number; headers?: Record<string, string>; json?: unknown; text?: string }> => {
    const { payload, kid, jwk } = open(`${base}${path}`, body);
    if (path === '/account') {
      if (payload.termsOfServiceAgreed !== true) throw new Problem(403, 'userActionRequired');
      const url = `${base}/account/${thumbprintOf(jwk)}`;
      if (!accounts.has(url)) accountCount += 1;
      accounts.set(url, { jwk });
      return { status: 201, headers: { location: url }, json: { status: 'valid' } };
    }
    if (path === '/order') {
      if (unkindness.rateLimit !== null) throw new Problem(429, 'rateLimited', { 'retry-after': unkindness.rateLimit });
      const id = randomBytes(6).toString('hex');
      const order = {
        name: payload.identifiers[0].value,
        account: kid,
        token: randomBytes(16).toString('base64url'),
        status: 'pending',
        authorization: 'pending',
        polls: 0,
        certificate: null,
      };
      orders.set(id, order);
      return { status: 201, headers: { location: `${base}/order/${id}` }, json: orderText(id, order) };
    }
    const [, kind, id = ''] = path.split('/');
    const order = orders.get(id);
    if (order === undefined) throw new Problem(404, 'malformed');
    if (kind === 'order') {
      if (order.status === 'processing' && order.polls++ >= unkindness.slowness) order.status = 'valid';
      return {
        json: orderText(id, order),
        ...(order.status === 'processing' ? { headers: { 'retry-after': '3' } } : {}),
      };
    }
    const challenge = {
      type: 'tls-alpn-01',
      status: order.authorization,
      url: `${base}/challenge/${id}`,
      token: order.token,
      ...(order.authorization === 'invalid'
        ? { error: { type: 'urn:ietf:params:acme:error:connection', detail: '192.0.2.1' } }
        : {}),
    };
    if (kind === 'authz')
      return { json: { status: order.authorization, challenges: [{ ...challenge, type: 'http-01' }, challenge] } };
    if (kind === 'challenge') {
      await validate(order);
      return { json: challenge };
    }
    if (kind === 'finalize') {
      if (order.status !== 'ready') throw new Problem(403, 'orderNotReady');
      issue(order, Buffer.from(payload.csr, 'base64url'));
      order.status = 'processing';
      return { json: orderText(id, order) };
    }
    return { text: order.certificate ?? '' };
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '' } = request;
    requests.push(`${method} ${url}`);
    if (unkindness.silentTo(url)) return;
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    response.setHeader('replay-nonce', freshNonce());
    if (url === '/directory') {
      response.end(
        JSON.stringify({ newNonce: `${base}/nonce`, newAccount: `${base}/account`, newOrder: `${base}/order` }),
      );
      return;
    }
    if (url === '/nonce') {
      response.end();
      return;
    }
    try {
      const { status = 200, headers = {}, json, text } = await answer(url, Buffer.concat(pieces).toString());
      response.writeHead(status, headers).end(text ?? JSON.stringify(json));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      response
        .writeHead(error.status, error.headers)
        .end(JSON.stringify({ type: error.type, detail: 'for 192.0.2.1' }));
    }
  };

  const server = createServer(
    { key: pemOfKey(self.key), cert: serverRoot },
    (request, response) => void handle(request, response),
  );
  const listener: Listener = await env.network.listen(
    { host: '127.0.0.1', port: 0 },
    (conn) => void server.emit('connection', conn),
  );
  base = `https://authority.test:${listener.address.port}`;
  return {
    directory: `${base}/directory`,
    serverRoot,
    issuerRoot,
    unkindness,
    requests,
    get issued() {
      return issued;
    },
    get accounts() {
      return accountCount;
    },
    forgetOrders: () => orders.clear(),
    forgetAccounts: () => accounts.clear(),
    close: () => listener.close(),
  };
}

/** The certificate that a server shows to an authority; null when it shows none. */
async function askByAlpn(env: Env, place: SocketAddress, name: string): Promise<Buffer | null> {
  const conn = await env.network.dial(place).catch(() => null);
  if (conn === null) return null;
  return await new Promise((resolve) => {
    const socket = connect({
      socket: conn,
      servername: name,
      rejectUnauthorized: false,
      ALPNProtocols: ['acme-tls/1'],
    });
    socket.on('error', () => resolve(null));
    socket.on('secureConnect', () => {
      const isAsked = socket.alpnProtocol === 'acme-tls/1';
      resolve(isAsked ? socket.getPeerCertificate().raw : null);
      socket.destroy();
      conn.destroy();
    });
  });
}
