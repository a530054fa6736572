import type { BrowserSocket, BrowserSocketRequest, BrowserSockets } from '../env.ts';
import { TunnelError } from '../errors.ts';
import { CHROMIUM_CLASSIC_SIGNATURES, CHROMIUM_GROUPS } from './client-hello.ts';

type Wreq = typeof import('wreq-js');

const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA',
  'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA',
  'TLS_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_RSA_WITH_AES_128_CBC_SHA',
  'TLS_RSA_WITH_AES_256_CBC_SHA',
];

/**
 * The hello of a WebSocket of Chromium before ML-DSA and trust anchors (up to 149 or so), part by part: the library's own profiles are of pages, and
 * give a WebSocket an extension (ALPS) that no browser sends with HTTP/1.1.
 */
const HELLO = {
  alpnProtocols: ['HTTP1'],
  alpsProtocols: [],
  sessionTicket: true,
  minTlsVersion: '1.2',
  maxTlsVersion: '1.3',
  enableEchGrease: true,
  permuteExtensions: true,
  greaseEnabled: true,
  enableOcspStapling: true,
  enableSignedCertTimestamps: true,
  pskDheKe: true,
  curvesList: CHROMIUM_GROUPS,
  cipherList: CIPHERS.join(':'),
  sigalgsList: CHROMIUM_CLASSIC_SIGNATURES.join(':'),
  certificateCompressionAlgorithms: ['brotli'],
} satisfies NonNullable<import('wreq-js').CustomEmulationOptions['tlsOptions']>;

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Loads what can send a browser's hello, once it is asked for; null where this platform has nothing that can. */
export function createBrowserLoader(): () => Promise<BrowserSockets | null> {
  let loaded: Promise<BrowserSockets | null> | null = null;
  return () => {
    loaded ??= import('wreq-js').then(
      (wreq) => ({ open: (request) => open(wreq, request) }),
      () => null,
    );
    return loaded;
  };
}

async function open(wreq: Wreq, request: BrowserSocketRequest): Promise<BrowserSocket> {
  const { url, headers, proxy, onMessage, onClose } = request;
  const emulation = { tlsOptions: HELLO, origHeaders: headers.map(([name]) => name) };
  // A session of its own: no cookie and no ticket links two carriers.
  const session = await wreq.createSession({ emulation, proxy });
  const end = () => void session.close().catch(() => {});
  const given = headers
    .filter(([name]) => !MADE_BY_LIBRARY.has(name))
    .map(([name, value]): [string, string] => [name, value]);
  const sizes = { maxFrameSize: MAX_MESSAGE_BYTES, maxMessageSize: MAX_MESSAGE_BYTES };
  try {
    const socket = await session.websocket(url, { headers: given, binaryType: 'nodebuffer', ...sizes });
    socket.onmessage = ({ data }) => {
      if (Buffer.isBuffer(data)) onMessage(data);
    };
    socket.onclose = ({ code }) => {
      end();
      onClose(code);
    };
    return {
      send: (bytes) => {
        if (socket.readyState === 1) socket.send(bytes);
      },
      close: () => socket.close(),
    };
  } catch (cause) {
    end();
    // Without the cause: it names where it has connected to.
    const isForged = cause instanceof Error && /certificate/i.test(cause.message);
    if (isForged) throw new TunnelError('not-authentic', 'nobody vouches for the certificate');
    throw new TunnelError('failed', 'the web server does not open a WebSocket');
  }
}

/** They stand where their names are in the order, and have values of the library's. */
const MADE_BY_LIBRARY: ReadonlySet<string> = new Set([
  'Host',
  'Connection',
  'Upgrade',
  'Sec-WebSocket-Version',
  'Sec-WebSocket-Key',
  'Sec-WebSocket-Extensions',
]);
