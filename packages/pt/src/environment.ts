// What the parent says, in variables of the environment (pt-spec.txt, version 1, §3.2).
import { parseAddress, type SocketAddress, TunnelError } from '@rozan/tunnel';
import { splitEscaped } from './escaped.ts';

/** What a parent wants. */
export interface PtRequest {
  readonly stateFolder: string;
  /** End when standard input closes. */
  readonly endsWithInput: boolean;
  readonly side: ClientRequest | ServerRequest;
}

/** The client side: SOCKS ports for methods. */
export interface ClientRequest {
  readonly kind: 'client';
  readonly methods: readonly string[];
  /** A proxy that connections have to leave by. */
  readonly proxy: string | null;
}

/** The server side: ports for methods, and where what comes is to go. */
export interface ServerRequest {
  readonly kind: 'server';
  readonly methods: readonly ServerMethod[];
  readonly orPort: SocketAddress;
}

/** A method that is to listen. */
export interface ServerMethod {
  readonly name: string;
  /** Any free port of all addresses unless the parent says otherwise. */
  readonly address: SocketAddress;
  readonly options: Readonly<Record<string, string>>;
}

/** What is wrong with the environment, as the specification wants it said: the line's first word and the rest. */
export class PtEnvironmentError extends Error {
  readonly keyword: 'VERSION-ERROR' | 'ENV-ERROR';

  constructor(keyword: 'VERSION-ERROR' | 'ENV-ERROR', message: string) {
    super(message);
    this.name = 'PtEnvironmentError';
    this.keyword = keyword;
  }
}

/** Variables, by name. */
export type Variables = Readonly<Record<string, string | undefined>>;

function listOf(text: string): readonly string[] {
  return text.split(',').filter((item) => item !== '');
}

function readAddress(name: string, text: string): SocketAddress {
  try {
    return parseAddress(text);
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    throw new PtEnvironmentError('ENV-ERROR', `${name} holds no address`);
  }
}

function bindAddresses(text: string): ReadonlyMap<string, SocketAddress> {
  return new Map(
    listOf(text).map((item) => {
      const at = item.indexOf('-');
      if (at < 1) throw new PtEnvironmentError('ENV-ERROR', 'TOR_PT_SERVER_BINDADDR is not of its form');
      return [item.slice(0, at), readAddress('TOR_PT_SERVER_BINDADDR', item.slice(at + 1))] as const;
    }),
  );
}

/** `method:name=value;…`, with backslashes in front of what would separate. */
function optionsOf(method: string, text: string): Readonly<Record<string, string>> {
  const options: [string, string][] = [];
  for (const item of splitEscaped(text, ';')) {
    const [owner, ...rest] = splitEscaped(item, ':');
    const [name = '', ...value] = splitEscaped(rest.join(':'), '=');
    if (owner === method) options.push([unguard(name), value.map(unguard).join('=')]);
  }
  return Object.fromEntries(options);
}

function unguard(text: string): string {
  return text.replace(/\\(.)/g, '$1');
}

function serverRequest(variables: Variables): ServerRequest {
  const orPort = variables.TOR_PT_ORPORT ?? '';
  if (orPort === '') throw new PtEnvironmentError('ENV-ERROR', 'TOR_PT_ORPORT is missing');
  const addresses = bindAddresses(variables.TOR_PT_SERVER_BINDADDR ?? '');
  const optionText = variables.TOR_PT_SERVER_TRANSPORT_OPTIONS ?? '';
  return {
    kind: 'server',
    orPort: readAddress('TOR_PT_ORPORT', orPort),
    methods: listOf(variables.TOR_PT_SERVER_TRANSPORTS ?? '').map((name) => ({
      name,
      address: addresses.get(name) ?? { host: '0.0.0.0', port: 0 },
      options: optionsOf(name, optionText),
    })),
  };
}

/** Reads the environment. Throws a `PtEnvironmentError`. */
export function readPtRequest(variables: Variables): PtRequest {
  const versions = variables.TOR_PT_MANAGED_TRANSPORT_VER;
  if (versions === undefined) throw new PtEnvironmentError('ENV-ERROR', 'TOR_PT_MANAGED_TRANSPORT_VER is missing');
  if (!listOf(versions).includes('1')) throw new PtEnvironmentError('VERSION-ERROR', 'no-version');
  const stateFolder = variables.TOR_PT_STATE_LOCATION ?? '';
  if (stateFolder === '') throw new PtEnvironmentError('ENV-ERROR', 'TOR_PT_STATE_LOCATION is missing');
  const { TOR_PT_CLIENT_TRANSPORTS: client, TOR_PT_SERVER_TRANSPORTS: server } = variables;
  if ((client === undefined) === (server === undefined)) {
    throw new PtEnvironmentError(
      'ENV-ERROR',
      'one of TOR_PT_CLIENT_TRANSPORTS and TOR_PT_SERVER_TRANSPORTS has to be set',
    );
  }
  const side: PtRequest['side'] =
    client === undefined
      ? serverRequest(variables)
      : { kind: 'client', methods: listOf(client), proxy: variables.TOR_PT_PROXY || null };
  return { stateFolder, endsWithInput: variables.TOR_PT_EXIT_ON_STDIN_CLOSE === '1', side };
}
