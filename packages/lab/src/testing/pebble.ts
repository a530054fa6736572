import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startDnsResponder } from './dns-responder.ts';
import { pickFreePort } from './nginx.ts';
import { curl, findCommand, runTool } from './tools.ts';

const START_MS = 20_000;
const POLL_MS = 50;

/** The authority for tests that Let's Encrypt makes, for one test. */
export interface Pebble extends AsyncDisposable {
  readonly directory: string;
  /** Files in PEM: what vouches for the authority's own server, and for the certificates that it issues. */
  readonly serverRoot: string;
  readonly issuerRoot: string;
}

/** Makes a certificate for 127.0.0.1 that its own root vouches for. */
async function makeServerCertificate(path: (name: string) => string): Promise<void> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const steps = [
    [
      'req',
      '-x509',
      ...key,
      '-subj',
      '/CN=Pebble test root',
      '-days',
      '5',
      '-keyout',
      path('root.key'),
      '-out',
      path('root.pem'),
    ],
    ['req', ...key, '-subj', '/CN=127.0.0.1', '-keyout', path('pebble.key'), '-out', path('pebble.csr')],
    [
      'x509',
      '-req',
      '-in',
      path('pebble.csr'),
      '-CA',
      path('root.pem'),
      '-CAkey',
      path('root.key'),
      '-CAcreateserial',
      '-days',
      '5',
      '-extfile',
      path('names'),
      '-out',
      path('pebble.pem'),
    ],
  ];
  await writeFile(path('names'), 'subjectAltName=IP:127.0.0.1\n');
  for (const step of steps) {
    const { code, err } = await runTool('openssl', step);
    if (code !== 0) throw new Error(err);
  }
}

/** Starts Pebble with all its files in `folder`; it looks for every name at port `tlsPort` of this machine, and refuses one nonce in seven. */
export async function startPebble(folder: string, { tlsPort }: { readonly tlsPort: number }): Promise<Pebble> {
  const path = (name: string) => join(folder, name);
  await makeServerCertificate(path);
  const [port, managementPort] = [await pickFreePort(), await pickFreePort()];
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: path('pebble.pem'),
    privateKey: path('pebble.key'),
    httpPort: 1,
    tlsPort,
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
    retryAfter: { authz: 1, order: 1 },
  };
  await writeFile(path('pebble.json'), JSON.stringify({ pebble }));
  const names = await startDnsResponder('127.0.0.1');
  const args = ['-config', path('pebble.json'), '-dnsserver', `127.0.0.1:${names.port}`, '-strict'];
  const child = spawn(findCommand('pebble') ?? 'pebble', args, {
    env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '15' },
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  const end = async () => {
    child.kill();
    await ended;
    await names[Symbol.asyncDispose]();
  };
  const patience = AbortSignal.timeout(START_MS);
  for (;;) {
    const { code, out } = await curl(['--cacert', path('root.pem'), `https://127.0.0.1:${managementPort}/roots/0`]);
    if (code === 0) {
      await writeFile(path('issuer.pem'), out);
      break;
    }
    if (patience.aborted || child.exitCode !== null) {
      await end();
      throw new Error('pebble does not start');
    }
    await pause(POLL_MS);
  }
  return {
    directory: `https://127.0.0.1:${port}/dir`,
    serverRoot: path('root.pem'),
    issuerRoot: path('issuer.pem'),
    [Symbol.asyncDispose]: end,
  };
}
