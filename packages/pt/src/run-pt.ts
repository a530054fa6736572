import { createEnv, type Network, parseUpstreamProxy, TunnelError, viaProxy } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError, untilAborted } from '@rozan/tunnel/program';
import { openClientSide } from './client-side.ts';
import { PtEnvironmentError, type PtRequest, readPtRequest } from './environment.ts';
import { methodName, offeredTransports, type SideContext } from './methods.ts';
import { openServerSide } from './server-side.ts';

const REMEDY = 'This command is for tor and other programs that run such executables: see docs/spec/pt.md.';

function help(): string {
  return `Usage: rozan pt

Offers our transports as an executable of Tor's pluggable-transport specification, version 1: for tor's
ClientTransportPlugin and ServerTransportPlugin lines. It takes no options; the parent says in TOR_PT_… variables what it wants.

The transports: ${offeredTransports().map(methodName).join(', ')}
`;
}

/** The way out of this machine; null, after having said why, when the proxy is none that we could go through. */
function networkBehind({ env, say }: SideContext, proxy: string | null): Network | null {
  if (proxy === null) return env.network;
  try {
    const network = viaProxy(env.network, parseUpstreamProxy(proxy));
    say('PROXY DONE');
    return network;
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    say(`PROXY-ERROR ${cause.message}`);
    return null;
  }
}

/** Opens what the parent wants; null, after having said why, when that cannot be. */
async function open(context: SideContext, { side }: PtRequest): Promise<AsyncDisposable | null> {
  const { say } = context;
  say('VERSION 1');
  if (side.kind === 'server') return await openServerSide(context, side);
  const outward = networkBehind(context, side.proxy);
  return outward === null ? null : await openClientSide({ ...context, outward }, side);
}

/** Ends when the signal is aborted, or when the parent closes our standard input, if it has said so. */
async function untilOver(signal: AbortSignal, endsWithInput: boolean): Promise<void> {
  const over = new AbortController();
  const onEnd = () => over.abort();
  if (endsWithInput) process.stdin.on('end', onEnd).on('close', onEnd).on('error', onEnd).resume();
  await untilAborted(AbortSignal.any([signal, over.signal]));
  process.stdin.destroy();
}

/** `rozan pt`: runs until the parent is done with it; returns the exit code. */
export async function runPt(args: readonly string[], signal: AbortSignal): Promise<number> {
  const write = (text: string) => process.stdout.write(text);
  if (args.includes('--help')) {
    write(help());
    return EXIT_CODE.fine;
  }
  if (args.length > 0) throw new ProgramError(EXIT_CODE.usage, 'it takes no options', { remedy: REMEDY });
  const say = (line: string) => write(`${line}\n`);
  let request: PtRequest;
  try {
    request = readPtRequest(process.env);
  } catch (cause) {
    if (!(cause instanceof PtEnvironmentError)) throw cause;
    say(`${cause.keyword} ${cause.message}`);
    throw new ProgramError(EXIT_CODE.usage, cause.message, { cause, remedy: REMEDY });
  }
  // A parent that has gone away reads nothing more, which is no reason to end with an error.
  process.stdout.on('error', () => {});
  const context = { env: createEnv({ log: () => {} }), stateFolder: request.stateFolder, say };
  await using opened = await open(context, request);
  if (opened === null) return EXIT_CODE.failure;
  await untilOver(signal, request.endsWithInput);
  return EXIT_CODE.fine;
}
