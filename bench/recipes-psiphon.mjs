// Recipes (see recipes.mjs) for Psiphon, whose programs PSIPHOND and PSIPHON_CLIENT name.
import { readFileSync } from 'node:fs';
import { freePort, HOST, socks } from './launch.mjs';

function redirectServerEntry(encoded, port, redirected) {
  const text = Buffer.from(encoded, 'hex').toString();
  const start = text.indexOf('{');
  const entry = JSON.parse(text.slice(start));
  for (const [name, value] of Object.entries(entry)) if (value === port) entry[name] = redirected;
  return Buffer.from(text.slice(0, start) + JSON.stringify(entry)).toString('hex');
}

function rewriteJson(launch, name, change) {
  const content = JSON.parse(readFileSync(launch.file(name), 'utf8'));
  change(content);
  launch.file(name, JSON.stringify(content));
}

/** Psiphon's own server and console client; PSIPHOND and PSIPHON_CLIENT name the built programs. */
const psiphon =
  (protocol) =>
  async ({ launch, link }) => {
    const daemon = process.env.PSIPHOND ?? 'psiphond';
    const console_ = process.env.PSIPHON_CLIENT ?? 'ConsoleClient';
    const [serverPort, socksPort] = [await freePort(), await freePort()];
    await launch.run(daemon, ['-ipaddress', HOST, '-protocol', `${protocol}:${serverPort}`, 'generate']);
    rewriteJson(launch, 'psiphond.config', (config) => {
      config.AllowBogons = true; // else no port forward to loopback
      config.LogLevel = 'error';
    });
    rewriteJson(launch, 'psiphond-traffic-rules.config', ({ DefaultRules }) => {
      DefaultRules.MaxTCPPortForwardCount = 4096; // the default, 512, closes the oldest of more
      DefaultRules.IdleTCPPortForwardTimeoutMilliseconds = 300_000;
    });
    const server = launch.start('psiphond', daemon, ['run']);
    if (!protocol.startsWith('QUIC')) await launch.listening(serverPort);
    const entry = readFileSync(launch.file('server-entry.dat'), 'latin1').trim();
    const clientPort = await link(serverPort);
    const clientConfig = {
      LocalSocksProxyPort: socksPort,
      DisableLocalHTTPProxy: true,
      PropagationChannelId: '24BCA4EE20BEB92C',
      SponsorId: '721AE60D76700F5A',
      DataRootDirectory: launch.folder,
      TargetServerEntry: clientPort === serverPort ? entry : redirectServerEntry(entry, serverPort, clientPort),
    };
    const client = launch.start('client', console_, [
      '-config',
      launch.file('client.json', JSON.stringify(clientConfig)),
    ]);
    await launch.said('client', /"noticeType":"Tunnels".*|.*"count":1.*"noticeType":"Tunnels"/);
    await launch.listening(socksPort);
    return { chain: [socks(socksPort)], accounts: { client: [client], server: [server] } };
  };

/** By name. */
export const RECIPES = {
  'psiphon-ossh': psiphon('OSSH'),
  'psiphon-meek': psiphon('UNFRONTED-MEEK-OSSH'),
  'psiphon-meek-https': psiphon('UNFRONTED-MEEK-HTTPS-OSSH'),
  'psiphon-quic': psiphon('QUIC-OSSH'),
};
