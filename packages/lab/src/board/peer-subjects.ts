// Tunnels of others, from Debian's packages, each as its own documentation has it started.
import { mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type SocketAddress, sleep, viaProxy } from '@rozan/tunnel';
import type { Programs, RunningProgram } from './programs.ts';
import type { Route, Subject, SubjectClient, SubjectWorld } from './subject.ts';

const PASSWORD = 'a password for the lab only';
const HOST = '127.0.0.1';
const READY_MS = 30_000;
const POLL_MS = 50;

/** Starts a peer's server; gives what is needed to start its clients. */
type Recipe = (world: SubjectWorld, folder: string) => Promise<Peer>;

interface Peer {
  readonly actual: SocketAddress;
  /** Starts a client that reaches the server at `server` and offers SOCKS at `socks`. */
  start(programs: Programs, server: SocketAddress, socks: SocketAddress): Promise<RunningProgram>;
  /** How a program that calls itself a SOCKS proxy wants to be asked, where that differs from what everybody does. */
  readonly login?: (server: SocketAddress) => Login;
}

interface Login {
  readonly credentials: { readonly user: string; readonly password: string };
  readonly target: SocketAddress;
}

async function freePlace({ env }: SubjectWorld, host: string): Promise<SocketAddress> {
  const listener = await env.network.listen({ host, port: 0 }, (conn) => conn.destroy());
  await listener.close();
  return listener.address;
}

async function untilListening({ env }: SubjectWorld, place: SocketAddress, signal: AbortSignal): Promise<void> {
  for (;;) {
    const conn = await env.network.dial(place, { signal }).catch(() => null);
    conn?.destroy();
    if (conn !== null) return;
    await sleep(env, POLL_MS, signal);
  }
}

async function ssh(world: SubjectWorld, folder: string): Promise<Peer> {
  const actual = await freePlace(world, world.serverHost);
  const key = (name: string) => join(folder, name);
  for (const name of ['host', 'user']) {
    await world.programs.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key(name)]);
  }
  const config = [
    `Port ${actual.port}`,
    `ListenAddress ${actual.host}`,
    `HostKey ${key('host')}`,
    `AuthorizedKeysFile ${key('user.pub')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 200',
  ];
  await writeFile(key('sshd_config'), `${config.join('\n')}\n`);
  await mkdir('/run/sshd', { recursive: true });
  world.programs.start('sshd', ['-D', '-e', '-f', key('sshd_config')]);
  await untilListening(world, actual, AbortSignal.timeout(READY_MS));
  const options = ['BatchMode=yes', 'ExitOnForwardFailure=yes', 'IdentitiesOnly=yes', 'LogLevel=ERROR'];
  const trust = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'];
  return {
    actual,
    start: async (programs, server, socks) =>
      programs.start('ssh', [
        ...['-F', 'none', '-N', '-D', `${socks.host}:${socks.port}`, '-p', String(server.port), '-i', key('user')],
        ...[...options, ...trust].flatMap((option) => ['-o', option]),
        `${userInfo().username}@${server.host}`,
      ]),
  };
}

async function shadowsocks(world: SubjectWorld): Promise<Peer> {
  const actual = await freePlace(world, world.serverHost);
  const common = ['-k', PASSWORD, '-m', 'chacha20-ietf-poly1305', '-t', '300', '--no-delay'];
  world.programs.start('ss-server', ['-s', actual.host, '-p', String(actual.port), ...common]);
  await untilListening(world, actual, AbortSignal.timeout(READY_MS));
  return {
    actual,
    start: async (programs, server, socks) => {
      const place = ['-s', server.host, '-p', String(server.port), '-b', socks.host, '-l', String(socks.port)];
      return programs.start('ss-local', [...place, ...common]);
    },
  };
}

/** One connection for each stream, passed on to the site: obfs4 by itself goes to one place. */
async function obfs4(world: SubjectWorld, folder: string): Promise<Peer> {
  const actual = await freePlace(world, world.serverHost);
  const base = { TOR_PT_MANAGED_TRANSPORT_VER: '1' };
  const server = world.programs.start('obfs4proxy', [], {
    env: {
      ...base,
      TOR_PT_STATE_LOCATION: join(folder, 'server'),
      TOR_PT_SERVER_TRANSPORTS: 'obfs4',
      TOR_PT_SERVER_BINDADDR: `obfs4-${actual.host}:${actual.port}`,
      TOR_PT_ORPORT: `${world.site.host}:${world.site.port}`,
    },
  });
  const [, cert = ''] = await server.said(/SMETHOD obfs4 \S+ ARGS:cert=([^,\s]+)/, AbortSignal.timeout(READY_MS));
  let clients = 0;
  return {
    actual,
    start: async (programs) => {
      clients += 1;
      const state = join(folder, `client-${clients}`);
      return programs.start('obfs4proxy', [], {
        env: { ...base, TOR_PT_STATE_LOCATION: state, TOR_PT_CLIENT_TRANSPORTS: 'obfs4' },
      });
    },
    login: (target) => ({ credentials: { user: `cert=${cert};iat-mode=0`, password: '\0' }, target }),
  };
}

/** VMess over WebSocket over TLS, one of each for every stream, as v2ray does by default. */
async function v2ray(world: SubjectWorld, folder: string): Promise<Peer> {
  const actual = await freePlace(world, world.serverHost);
  const [keyFile, certificateFile] = [join(folder, 'tls.key'), join(folder, 'tls.crt')];
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const name = ['-subj', '/CN=www.example.com', '-addext', 'subjectAltName=DNS:www.example.com'];
  await world.programs.run('openssl', [...made, ...name, '-keyout', keyFile, '-out', certificateFile]);
  const id = 'b831381d-6324-4d53-ad4f-8cda48b30811';
  const stream = { network: 'ws', security: 'tls', wsSettings: { path: '/stream' } };
  const start = async (programs: Programs, file: string, config: object) => {
    await writeFile(join(folder, file), JSON.stringify({ log: { loglevel: 'error' }, ...config }));
    return programs.start('v2ray', ['-config', join(folder, file)]);
  };
  const tlsSettings = { certificates: [{ certificateFile, keyFile }] };
  const settings = { clients: [{ id, alterId: 0 }] };
  const streamSettings = { ...stream, tlsSettings };
  const inbounds = [{ listen: actual.host, port: actual.port, protocol: 'vmess', settings, streamSettings }];
  await start(world.programs, 'server.json', { inbounds, outbounds: [{ protocol: 'freedom' }] });
  await untilListening(world, actual, AbortSignal.timeout(READY_MS));
  return {
    actual,
    start: (programs, server, socks) => {
      const users = [{ id, alterId: 0, security: 'auto' }];
      const vnext = [{ address: server.host, port: server.port, users }];
      const tls = { serverName: 'www.example.com', allowInsecure: true };
      const outbound = { protocol: 'vmess', settings: { vnext }, streamSettings: { ...stream, tlsSettings: tls } };
      const inbound = { listen: socks.host, port: socks.port, protocol: 'socks', settings: { auth: 'noauth' } };
      return start(programs, `client-${socks.port}.json`, { inbounds: [inbound], outbounds: [outbound] });
    },
  };
}

const RECIPES: Readonly<Record<string, Recipe>> = { ssh, obfs4proxy: obfs4, shadowsocks, 'v2ray-ws-tls': v2ray };

async function startPeerClient(
  world: SubjectWorld,
  peer: Peer,
  { programs, server }: { programs: Programs; server: SocketAddress },
): Promise<SubjectClient> {
  let socks = await freePlace(world, HOST);
  const program = await peer.start(programs, server, socks);
  const login = peer.login?.(server);
  return {
    pid: program.pid,
    ready: async (signal) => {
      if (login !== undefined) {
        const [, port] = await program.said(/CMETHOD obfs4 socks5 \S+:(\d+)/, signal);
        socks = { host: HOST, port: Number(port) };
      } else {
        await untilListening(world, socks, signal);
      }
    },
    socks: () => socks,
    connect: (signal) => {
      const proxy = { kind: 'socks5', ...socks, credentials: login?.credentials ?? null } as const;
      return viaProxy(world.env.network, proxy).dial(login?.target ?? world.site, { signal });
    },
    onEvent: () => {},
    [Symbol.asyncDispose]: () => program.stop(),
  };
}

/** Starts a peer's server. Throws for a name that there is no recipe for. */
export async function startPeerSubject(
  world: SubjectWorld,
  { name, port }: { readonly name: string; readonly port: number },
): Promise<Subject> {
  const recipe = RECIPES[name];
  if (recipe === undefined) throw new Error(`there is no peer named ${name}`);
  const folder = join(world.folder, `peer-${name}`);
  await mkdir(folder);
  const peer = await recipe(world, folder);
  const seenAs = { host: PEER_HOST, port };
  return {
    name,
    family: 'peer',
    isAdaptive: false,
    startClient: async (programs: Programs, route: Route) => {
      const server = await route({ actual: peer.actual, seenAs });
      return startPeerClient(world, peer, { programs, server });
    },
  };
}

/** The host that a censor sees for the servers of peers. */
const PEER_HOST = '203.0.113.7';
