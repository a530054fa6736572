import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { type Env, parseUpstreamProxy, TunnelError, type UpstreamProxy } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';

const URL_START = /^[a-z][a-z0-9+.-]*:\/\//i;
/** In the order in which other programs look at them; the name in small letters is the older one. */
const VARIABLES = ['ALL_PROXY', 'all_proxy', 'HTTPS_PROXY', 'https_proxy'];
const REMEDY = 'Give --upstream-proxy http://HOST:PORT or socks5://HOST:PORT, a file that holds such a line, or env.';

/** Reads where the upstream proxy is: a URL, a file whose first line is one, or the environment (`env`). Throws a `ProgramError` (usage). */
export async function readUpstreamProxy(
  env: Env,
  source: string,
  variables: Readonly<Record<string, string | undefined>> = process.env,
): Promise<UpstreamProxy> {
  const isUrl = URL_START.test(source);
  const text = isUrl ? source : await textOf(source, variables);
  const proxy = parse(text);
  if (isUrl && proxy.credentials !== null) {
    // Other users of the machine can read command lines, and shells keep them.
    const advice =
      'A password on the command line can be read by others on this machine. Put the URL into a file and name that.';
    env.log({ event: 'upstream.exposed', advice });
  }
  return proxy;
}

async function textOf(source: string, variables: Readonly<Record<string, string | undefined>>): Promise<string> {
  if (source !== 'env') {
    try {
      return (await readFile(source, 'utf8')).split('\n', 1)[0]?.trim() ?? '';
    } catch (cause) {
      throw new ProgramError(EXIT_CODE.usage, `the file of the upstream proxy could not be read: ${source}`, {
        cause,
        remedy: REMEDY,
      });
    }
  }
  const value = VARIABLES.map((name) => variables[name]).find((text) => text !== undefined && text !== '');
  if (value !== undefined) return URL_START.test(value) ? value : `http://${value}`;
  throw new ProgramError(EXIT_CODE.usage, `none of ${VARIABLES.join(', ')} names an upstream proxy`, {
    remedy: REMEDY,
  });
}

function parse(text: string): UpstreamProxy {
  try {
    return parseUpstreamProxy(text);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw new ProgramError(EXIT_CODE.usage, error.message, { remedy: REMEDY });
  }
}

/** The literal address of the upstream proxy's name, as the system has it. It may be a private one. */
export async function lookupProxy(name: string, signal: AbortSignal | undefined): Promise<string> {
  const stopped = new Promise<never>((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  const found = lookup(name).then(
    ({ address }) => address,
    () => {
      throw new TunnelError('name-not-found', 'the name of the upstream proxy does not resolve');
    },
  );
  return await Promise.race([found, stopped]);
}
