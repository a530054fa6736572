import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createEnv, formatAddress, type LogEvent, type SocketAddress, TunnelError } from '@rozan/tunnel';
import { createOutput, EXIT_CODE, ProgramError, programVersion } from '@rozan/tunnel/program';
import { type ControlOptions, createControl } from '../control.ts';
import type { TlsFiles } from '../http/serve.ts';
import { stayAlive } from './stay-alive.ts';

/** What `rozan control` is told. */
export interface RunOptions {
  readonly data: string;
  readonly listen: SocketAddress;
  readonly json: boolean;
  readonly databaseUrl: string | null;
  readonly origin: string | null;
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
  readonly trustProxy: readonly string[];
  /** Null: the folder in the data folder, if there is one. */
  readonly publication: string | null;
  readonly publishTo: readonly string[];
}

/** What an event says to the operator, or null for those that only programs read. */
function describe(event: LogEvent): string | null {
  switch (event.event) {
    case 'database.lost':
      return 'The database has ended, and is started again.';
    case 'database.back':
      return 'The database is back.';
    case 'request.failed':
      return `A request to ${event.route} has failed (${event.reason}, ${event.code}).`;
    case 'job.failed':
      return `The job ${event.job} has failed; it is tried again.`;
    case 'publication.published':
      return `Version ${event.version} of the publication is out: ${event.files} files.`;
    case 'publication.failed':
      return `Publishing has failed (${event.code}); "rozan control publication show" says why. It is tried again.`;
    case 'jobs.stopped':
      return 'No jobs are done any more: restart the control plane.';
    default:
      return null;
  }
}

async function readPem(option: string, path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `${option}: ${path} cannot be read`, { cause });
  });
}

async function readTls({ tlsCert, tlsKey }: RunOptions): Promise<TlsFiles | null> {
  if (tlsCert === null && tlsKey === null) return null;
  if (tlsCert === null || tlsKey === null) {
    throw new ProgramError(EXIT_CODE.usage, '--tls-cert and --tls-key go together');
  }
  return { cert: await readPem('--tls-cert', tlsCert), key: await readPem('--tls-key', tlsKey) };
}

function expectNoEavesdroppers({ listen, trustProxy }: RunOptions, tls: TlsFiles | null): void {
  const isLoopback = listen.host.startsWith('127.') || listen.host === '::1';
  if (isLoopback || tls !== null || trustProxy.length > 0) return;
  throw new ProgramError(EXIT_CODE.usage, '--listen: without TLS a control plane listens on loopback only', {
    remedy:
      'Give it a certificate (--tls-cert FILE --tls-key FILE), or put a proxy with one before it (--trust-proxy ADDRESS).',
  });
}

/** Throws a `ProgramError` (usage) where there should be a publication and is none. */
async function findPublication({
  data,
  publication,
  publishTo: to,
}: RunOptions): Promise<NonNullable<ControlOptions['publication']> | null> {
  const folder = publication ?? join(data, 'publication');
  const isThere = await access(join(folder, 'keys')).then(
    () => true,
    () => false,
  );
  if (isThere) return { folder, to };
  if (publication === null && to.length === 0) return null;
  throw new ProgramError(EXIT_CODE.usage, `there is no publication in ${folder}`, {
    remedy: 'Begin one with "rozan keys init --state DIR", and name that folder with --publication DIR.',
  });
}

/** `rozan control`: runs until the signal is aborted; returns the exit code. */
export async function runControl(options: RunOptions, signal: AbortSignal): Promise<number> {
  const output = createOutput({ json: options.json, write: (text) => process.stdout.write(text), describe });
  const env = createEnv({ log: output.log });
  using alive = stayAlive(signal);
  const tls = await readTls(options);
  expectNoEavesdroppers(options, tls);
  const { data: folder, listen, databaseUrl, origin, trustProxy: trustedProxies } = options;
  const version = await programVersion();
  const publication = await findPublication(options);
  const setup = { folder, listen, databaseUrl, origin, tls, trustedProxies, version, publication };
  await using control = await createControl(setup, env).catch((cause: unknown) => {
    if (!(cause instanceof TunnelError)) throw cause;
    throw new ProgramError(EXIT_CODE.cannotListen, `cannot listen at ${formatAddress(listen)}: ${cause.message}`, {
      cause,
      remedy: 'Another program may listen there; choose another place with --listen.',
    });
  });
  const { loginLink } = control;
  output.ready({
    control: control.origin,
    listen: formatAddress(control.address),
    ...(loginLink === null ? {} : { login: loginLink }),
  });
  output.say(`The control plane serves ${control.origin} (its API is described at ${control.origin}/openapi.json).`);
  if (loginLink !== null) {
    output.say(`The first login, good once and for a day; it is shown only here:\n${loginLink}`);
  }
  await Promise.race([alive.ended, control.failed]);
  return EXIT_CODE.fine;
}
