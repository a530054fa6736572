// Who sends a ClientHello: our transports, as they dial, and the programs that they are compared with.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBrowserLoader, type Env, findTransport, type SocketAddress, TRANSPORTS } from '@rozan/tunnel';
import { findProgram, Programs } from '../board/programs.ts';
import { CHROMIUM_ARGS } from '../testing/chromium-args.ts';
import { type CapturedHello, setHelloTrap } from './capture.ts';

/** Somebody who says hello. */
export interface HelloSender {
  readonly name: string;
  readonly isOurs: boolean;
  /** Connects to a place as to `HELLO_NAME`; ends when it has got no answer, or by the signal. */
  send(env: Env, at: SocketAddress, signal: AbortSignal): Promise<void>;
}

/** The name that every hello asks for. */
export const HELLO_NAME = 'www.example.org';

/** With whom the others are compared: what a WebSocket of a browser looks like. */
export const REFERENCE_SENDER = 'Chromium, a WebSocket';

const PATIENCE_MS = 15_000;
const TRIES = 3;
const SILENT_CHROMIUM_ARGS = [...CHROMIUM_ARGS, '--disable-background-networking', '--disable-component-update'];

/** Listener options by which a transport of ours comes to speak TLS, tried in turn. */
const SECURE_OPTIONS: readonly Readonly<Record<string, string>>[] = [
  { tls: 'self', host: HELLO_NAME },
  { tls: 'front', host: HELLO_NAME },
  { prefix: 'tls', host: HELLO_NAME },
];

/** Our transports that speak TLS. */
async function ownSenders(env: Env): Promise<HelloSender[]> {
  const senders: HelloSender[] = [];
  const loadBrowserSockets = createBrowserLoader();
  for (const { name } of TRANSPORTS) {
    const transport = findTransport(name);
    for (const options of SECURE_OPTIONS) {
      const settings = await transport?.createSettings(env.random, options).catch(() => null);
      if (transport === null || settings === null || settings === undefined) continue;
      const params = transport.parseParams(transport.paramsOf(settings));
      const [[option, value] = ['', '']] = Object.entries(options);
      senders.push({
        name: `${name}, ${option}=${value}`,
        isOurs: true,
        send: async (under, address, signal) => {
          const conn = await transport
            .dial({ ...under, loadBrowserSockets }, { address, params, signal })
            .catch(() => null);
          // Some dial when they are written to.
          conn?.on('error', () => {}).write('first flight');
          if (!signal.aborted)
            await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
          conn?.destroy();
        },
      });
    }
  }
  return senders;
}

/** A program of others that is run until the trap has what it wants. */
function programSender(
  name: string,
  command: string,
  argsFor: (at: SocketAddress, folder: string) => readonly string[],
): HelloSender {
  return {
    name,
    isOurs: false,
    send: async (_env, at, signal) => {
      const folder = await mkdtemp(join(tmpdir(), 'rozan-hello-'));
      try {
        await using programs = new Programs();
        const program = programs.start(command, argsFor(at, folder));
        const stop = () => void program.stop();
        signal.addEventListener('abort', stop, { once: true });
        if (signal.aborted) stop();
        await program.ended;
        await programs[Symbol.asyncDispose]();
      } finally {
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      }
    },
  };
}

function chromiumSender(name: string, page: string): HelloSender {
  return programSender(name, 'chromium', (at, folder) => [
    ...SILENT_CHROMIUM_ARGS,
    `--user-data-dir=${folder}`,
    `--host-resolver-rules=MAP ${HELLO_NAME} ${at.host}:${at.port}, MAP * ~NOTFOUND`,
    `--timeout=${PATIENCE_MS}`,
    page,
  ]);
}

/** Everybody on this machine who says hello, ours first. */
export async function helloSenders(env: Env): Promise<readonly HelloSender[]> {
  const others: readonly (readonly [command: string, sender: HelloSender])[] = [
    ['chromium', chromiumSender('Chromium, a page', `https://${HELLO_NAME}/`)],
    [
      'chromium',
      chromiumSender(REFERENCE_SENDER, `data:text/html,<script>new WebSocket('wss://${HELLO_NAME}/')</script>`),
    ],
    [
      'curl',
      programSender('curl', 'curl', (at) => [
        '-sk',
        '--noproxy',
        '*',
        '--connect-to',
        `::${at.host}:${at.port}`,
        `https://${HELLO_NAME}/`,
      ]),
    ],
    [
      'openssl',
      programSender('openssl s_client', 'openssl', (at) => [
        's_client',
        '-connect',
        `${at.host}:${at.port}`,
        '-servername',
        HELLO_NAME,
      ]),
    ],
  ];
  return [
    ...(await ownSenders(env)),
    ...others.filter(([command]) => findProgram(command) !== null).map(([, sender]) => sender),
  ];
}

/** The hello of one sender, over loopback. A browser does not come up each time, and is asked again. Rejects when none comes in time. */
export async function captureHello(
  env: Env,
  sender: HelloSender,
  triesLeft: number = TRIES - 1,
): Promise<CapturedHello> {
  try {
    return await captureOnce(env, sender);
  } catch (error) {
    if (triesLeft === 0) throw error;
    return await captureHello(env, sender, triesLeft - 1);
  }
}

async function captureOnce(env: Env, sender: HelloSender): Promise<CapturedHello> {
  await using trap = await setHelloTrap(env);
  const end = new AbortController();
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const sending = sender.send(env, trap.address, AbortSignal.any([end.signal, patience]));
  try {
    return await trap.first(patience);
  } finally {
    end.abort();
    await sending;
  }
}
