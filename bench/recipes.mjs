// How each peer is started on loopback. A recipe takes a stage:
//   launch          starts and ends programs (see launch.mjs)
//   link(port)      the port by which the client shall reach the server's port: that port itself, or a
//                   cutter in front of it
//   origin          the benchmark's origin, for tunnels that end at one fixed address
// and returns { chain, accounts, target? } as the measurements take it, with client and server apart.
import { existsSync, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { freePort, HOST, Launch, socks } from './launch.mjs';
import { RECIPES as PSIPHON } from './recipes-psiphon.mjs';
import { RECIPES as ROZAN } from './recipes-rozan.mjs';
import { RECIPES as TLS } from './recipes-tls.mjs';

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const PASSWORD = 'a password for loopback only';

async function direct() {
  return { chain: [], accounts: {} };
}

async function microsocks({ launch }) {
  const port = await freePort();
  const pid = launch.start('microsocks', 'microsocks', ['-i', HOST, '-p', port]);
  await launch.listening(port);
  return { chain: [socks(port)], accounts: { server: [pid] } };
}

async function dante({ launch }) {
  const port = await freePort();
  const config = launch.file(
    'danted.conf',
    `logoutput: /dev/null
internal: ${HOST} port = ${port}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
`,
  );
  const pid = launch.start('danted', 'danted', ['-f', config, '-p', launch.file('danted.pid')]);
  await launch.listening(port);
  return { chain: [socks(port)], accounts: { server: [pid] } };
}

async function startRelay(launch, name) {
  const port = await freePort();
  const pid = launch.start(name, process.execPath, [beside('relay.mjs'), '--listen', `${HOST}:${port}`]);
  await launch.listening(port);
  return { port, pid };
}

async function nodeRelay({ launch }) {
  const relay = await startRelay(launch, 'relay');
  return { chain: [socks(relay.port)], accounts: { server: [relay.pid] } };
}

/** Two relays in a row: the shape of a tunnel (client and server), without its cryptography. */
async function nodeRelayPair({ launch, link }) {
  const client = await startRelay(launch, 'client');
  const server = await startRelay(launch, 'server');
  return {
    chain: [socks(client.port), socks(await link(server.port))],
    accounts: { client: [client.pid], server: [server.pid] },
  };
}

const ssh =
  (cipher) =>
  async ({ launch, link }) => {
    const [serverPort, socksPort] = [await freePort(), await freePort()];
    const [hostKey, userKey] = [launch.file('host_key'), launch.file('user_key')];
    for (const key of [hostKey, userKey]) {
      await launch.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    }
    mkdirSync('/run/sshd', { recursive: true });
    const config = launch.file(
      'sshd_config',
      `Port ${serverPort}
ListenAddress ${HOST}
HostKey ${hostKey}
AuthorizedKeysFile ${userKey}.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
Ciphers ${cipher}
`,
    );
    const server = launch.start('sshd', '/usr/sbin/sshd', ['-D', '-e', '-f', config]);
    await launch.listening(serverPort);
    const options = {
      BatchMode: 'yes',
      Ciphers: cipher,
      ExitOnForwardFailure: 'yes',
      IdentitiesOnly: 'yes',
      LogLevel: 'ERROR',
      StrictHostKeyChecking: 'no',
      UserKnownHostsFile: '/dev/null',
    };
    const client = launch.start('ssh', 'ssh', [
      '-F',
      'none',
      '-N',
      '-D',
      `${HOST}:${socksPort}`,
      '-p',
      await link(serverPort),
      '-i',
      userKey,
      ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
      `${userInfo().username}@${HOST}`,
    ]);
    await launch.listening(socksPort);
    return { chain: [socks(socksPort)], accounts: { client: [client], server: [server] } };
  };

const shadowsocks =
  (method) =>
  async ({ launch, link }) => {
    const [serverPort, socksPort] = [await freePort(), await freePort()];
    const common = ['-s', HOST, '-k', PASSWORD, '-m', method, '-t', '300', '--no-delay'];
    const server = launch.start('ss-server', 'ss-server', ['-p', serverPort, ...common]);
    await launch.listening(serverPort);
    const client = launch.start('ss-local', 'ss-local', [
      '-p',
      await link(serverPort),
      '-b',
      HOST,
      '-l',
      socksPort,
      ...common,
    ]);
    await launch.listening(socksPort);
    return { chain: [socks(socksPort)], accounts: { client: [client], server: [server] } };
  };

/** One obfs4 connection for each stream; the server passes all of them to the origin. */
const obfs4 =
  (iatMode) =>
  async ({ launch, link, origin }) => {
    const common = { TOR_PT_MANAGED_TRANSPORT_VER: '1' };
    mkdirSync(launch.file('server-state'));
    mkdirSync(launch.file('client-state'));
    const serverPort = await freePort();
    const server = launch.start('obfs4-server', 'obfs4proxy', [], {
      env: {
        ...common,
        TOR_PT_STATE_LOCATION: launch.file('server-state'),
        TOR_PT_SERVER_TRANSPORTS: 'obfs4',
        TOR_PT_SERVER_BINDADDR: `obfs4-${HOST}:${serverPort}`,
        TOR_PT_SERVER_TRANSPORT_OPTIONS: `obfs4:iat-mode=${iatMode}`,
        TOR_PT_ORPORT: `${HOST}:${origin.port}`,
      },
    });
    const [, cert] = await launch.said('obfs4-server', /SMETHOD obfs4 \S+ ARGS:cert=([^,\s]+)/);
    const client = launch.start('obfs4-client', 'obfs4proxy', [], {
      env: { ...common, TOR_PT_STATE_LOCATION: launch.file('client-state'), TOR_PT_CLIENT_TRANSPORTS: 'obfs4' },
    });
    const [, clientPort] = await launch.said('obfs4-client', /CMETHOD obfs4 socks5 \S+:(\d+)/);
    // A pluggable transport takes its arguments as the SOCKS user name; a password must be there, of one NUL.
    const username = `cert=${cert};iat-mode=${iatMode}`;
    return {
      chain: [{ ...socks(Number(clientPort)), username, password: '\0' }],
      target: { host: HOST, port: await link(serverPort) },
      accounts: { client: [client], server: [server] },
    };
  };

export const RECIPES = {
  direct,
  microsocks,
  dante,
  'node-relay': nodeRelay,
  'node-relay-pair': nodeRelayPair,
  'ssh-chacha20': ssh('chacha20-poly1305@openssh.com'),
  'ssh-aes128gcm': ssh('aes128-gcm@openssh.com'),
  'ss-chacha20': shadowsocks('chacha20-ietf-poly1305'),
  'ss-aes256gcm': shadowsocks('aes-256-gcm'),
  obfs4: obfs4(0),
  'obfs4-iat1': obfs4(1),
  ...TLS,
  ...PSIPHON,
  ...ROZAN,
};

/** Adds the recipes of other modules: each exports RECIPES, an object of recipes by name. */
export async function addRecipes(files) {
  for (const file of files) {
    const { RECIPES: more } = await import(pathToFileURL(resolve(file)).href);
    Object.assign(RECIPES, more);
  }
}

/** Adds to PATH where Debian keeps daemons, which it does not put on every user's. */
function addSystemPath() {
  const parts = process.env.PATH.split(':');
  for (const folder of ['/usr/sbin', '/sbin']) {
    if (!parts.includes(folder) && existsSync(folder)) parts.push(folder);
  }
  process.env.PATH = parts.join(':');
}

/** A `link` that puts a cutter with these options in front of the server; `pids` takes the cutters' pids. */
function throughCutter(launch, cutterOptions, pids) {
  return async (target) => {
    const port = await freePort();
    const addresses = ['--listen', `${HOST}:${port}`, '--target', `${HOST}:${target}`];
    const name = `cutter-${port}`;
    pids.push(launch.start(name, process.execPath, [beside('cutter.mjs'), ...addresses, ...cutterOptions]));
    await launch.said(name, /"listening"/);
    return port;
  };
}

/** Starts a peer, with a cutter between its client and server if there are options for one. */
export async function startPeer(name, origin, cutterOptions) {
  addSystemPath();
  const launch = new Launch();
  const cutters = [];
  const link = cutterOptions ? throughCutter(launch, cutterOptions, cutters) : async (port) => port;
  try {
    const peer = await RECIPES[name]({ launch, link, origin });
    return { name, launch, cutters, path: { origin, ...peer } };
  } catch (error) {
    await launch.stop();
    throw new Error(`${name}: ${error.message}`, { cause: error });
  }
}

/** The names of the peers asked for, 'all' being every one. */
export function peerNames(asked) {
  const names = asked.includes('all') ? Object.keys(RECIPES) : asked;
  const unknown = names.filter((name) => !(name in RECIPES));
  if (unknown.length > 0) throw new Error(`no such peer: ${unknown.join(', ')}`);
  return names;
}
