// Recipes (see recipes.mjs) for peers that lie in TLS, with a certificate made for the run.
import { freePort, HOST, socks } from './launch.mjs';

async function certificate(launch) {
  const [key, cert] = [launch.file('tls.key'), launch.file('tls.crt')];
  await launch.run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-keyout',
    key,
    '-out',
    cert,
  ]);
  return { key, cert };
}

/** One TLS 1.3 connection for each stream, passed to the origin: stunnel's own SOCKS refuses loopback. */
async function stunnel({ launch, link, origin }) {
  const [serverPort, clientPort] = [await freePort(), await freePort()];
  const { key, cert } = await certificate(launch);
  const head = 'foreground = yes\npid =\ndebug = err\n';
  const serverConfig = launch.file(
    'server.conf',
    `${head}[tunnel]\naccept = ${HOST}:${serverPort}\nconnect = ${HOST}:${origin.port}\ncert = ${cert}\nkey = ${key}\n`,
  );
  const server = launch.start('stunnel-server', 'stunnel4', [serverConfig]);
  await launch.listening(serverPort);
  const clientConfig = launch.file(
    'client.conf',
    `${head}[tunnel]\nclient = yes\naccept = ${HOST}:${clientPort}\nconnect = ${HOST}:${await link(serverPort)}
CAfile = ${cert}\nverifyChain = yes\n`,
  );
  const client = launch.start('stunnel-client', 'stunnel4', [clientConfig]);
  await launch.listening(clientPort);
  return {
    chain: [],
    target: { host: HOST, port: clientPort },
    accounts: { client: [client], server: [server] },
  };
}

/** VMess over WebSocket over TLS, one of each for every stream (v2ray's default, without mux). */
async function v2ray({ launch, link }) {
  const [serverPort, socksPort] = [await freePort(), await freePort()];
  const { key, cert } = await certificate(launch);
  const id = 'b831381d-6324-4d53-ad4f-8cda48b30811';
  const log = { loglevel: 'error' };
  const wsSettings = { path: '/stream' };
  const serverConfig = {
    log,
    inbounds: [
      {
        listen: HOST,
        port: serverPort,
        protocol: 'vmess',
        settings: { clients: [{ id, alterId: 0 }] },
        streamSettings: {
          network: 'ws',
          security: 'tls',
          tlsSettings: { certificates: [{ certificateFile: cert, keyFile: key }] },
          wsSettings,
        },
      },
    ],
    outbounds: [{ protocol: 'freedom' }],
  };
  const server = launch.start('v2ray-server', 'v2ray', [
    '-config',
    launch.file('server.json', JSON.stringify(serverConfig)),
  ]);
  await launch.listening(serverPort);
  const clientConfig = {
    log,
    inbounds: [{ listen: HOST, port: socksPort, protocol: 'socks', settings: { auth: 'noauth', udp: false } }],
    outbounds: [
      {
        protocol: 'vmess',
        settings: {
          vnext: [{ address: HOST, port: await link(serverPort), users: [{ id, alterId: 0, security: 'auto' }] }],
        },
        streamSettings: {
          network: 'ws',
          security: 'tls',
          tlsSettings: { serverName: 'localhost', allowInsecure: true },
          wsSettings,
        },
      },
    ],
  };
  const client = launch.start('v2ray-client', 'v2ray', [
    '-config',
    launch.file('client.json', JSON.stringify(clientConfig)),
  ]);
  await launch.listening(socksPort);
  return { chain: [socks(socksPort)], accounts: { client: [client], server: [server] } };
}

/** By name. */
export const RECIPES = { stunnel, v2ray };
