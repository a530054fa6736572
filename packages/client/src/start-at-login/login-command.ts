import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { formatAddress } from '@rozan/tunnel';
import type { ClientArguments, TacticsArguments } from '../config.ts';
import { ClientFolder } from '../data-folder.ts';
import { parseKey } from '../tactics/tactics-file.ts';
import { CLIENT_MARK } from './login-file.ts';
import type { LoginStart } from './login-item.ts';

const PROGRAM = resolve(import.meta.dirname, '../../../../bin/rozan.mjs');

/** An option with what was said for it; nothing where nothing was. */
function option(name: string, value: string | number | null | undefined): readonly string[] {
  return value === null || value === undefined ? [] : [name, String(value)];
}

/** At login there is another working folder. */
const pathOption = (name: string, path: string | null) => option(name, path === null ? null : resolve(path));

function tacticsOptions(tactics: TacticsArguments | null): readonly string[] {
  if (tactics === null) return [];
  const keys = tactics.keySources.flatMap((source) =>
    parseKey(source) === null ? pathOption('--tactics-key', source) : option('--tactics-key', source),
  );
  return [...pathOption('--tactics', tactics.file), ...keys];
}

/** What a person has set of carriers; nothing where they adapt. */
function carrierOptions({ adaptive, carriers, rotation }: ClientArguments): readonly string[] {
  const { total, perAddress } = carriers;
  const { ageMs, bytes } = rotation;
  return [
    ...(adaptive ? [] : option('--carriers', total)),
    ...(Number.isFinite(perAddress) ? option('--carriers-per-address', perAddress) : []),
    ...(ageMs === null ? [] : option('--rotate-after', ageMs[1] / 1000)),
    ...(bytes === null ? [] : option('--rotate-bytes', bytes[1])),
  ];
}

function upstreamOptions({ upstreamSource: source }: ClientArguments): readonly string[] {
  if (source === null || source === 'env' || URL.canParse(source)) return option('--upstream-proxy', source);
  return pathOption('--upstream-proxy', source);
}

/** A client that is only tried out, on a folder of its own, must not take the place of the one that is used. */
function nameOf(folder: string): string {
  if (folder === ClientFolder.usualPath()) return CLIENT_MARK;
  return `${CLIENT_MARK}.${createHash('sha256').update(folder).digest('hex').slice(0, 8)}`;
}

/**
 * The command that starts this client again as it was started now. Entries and a brand are in its folder by then. Null where a password was
 * said, which is not to be written down: without it the client would go past the proxy that it is for.
 */
export function loginStart(args: ClientArguments): LoginStart | null {
  const { ui, dataFolder, socks, http, saidProxies, strictReplies, programs, country, bypassDomestic, bypassList } =
    args;
  if (args.upstreamSource?.includes('@') && URL.canParse(args.upstreamSource)) return null;
  const folder = resolve(dataFolder ?? ClientFolder.usualPath());
  const command = [
    process.execPath,
    PROGRAM,
    'client',
    ...['--ui', ui === null ? '127.0.0.1:7777' : formatAddress(ui)],
    ...['--data', folder],
    ...(saidProxies.has('socks') ? ['--socks', formatAddress(socks)] : []),
    ...(saidProxies.has('http') ? ['--http', formatAddress(http)] : []),
    ...(strictReplies ? ['--strict-replies'] : []),
    ...carrierOptions(args),
    ...[...programs].flatMap(([method, command]) => option('--pt', `${method}=${command}`)),
    ...upstreamOptions(args),
    ...tacticsOptions(args.tactics),
    ...option('--asn', args.asn),
    ...option('--country', country),
    ...(bypassDomestic ? ['--bypass-domestic'] : []),
    ...pathOption('--bypass-list', bypassList),
  ];
  return { name: nameOf(folder), command };
}
