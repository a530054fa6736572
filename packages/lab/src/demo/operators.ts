import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askControl, type Control, createControl } from '@rozan/control';
import { beginPublication, StateFolder } from '@rozan/publication';
import type { Env, SocketAddress } from '@rozan/tunnel';
import { programVersion } from '@rozan/tunnel/program';

const CHANNEL = 'default';
/** How long a brand is waited for: the first publication takes a moment. */
const BRAND_MS = 30_000;
const LOOK_MS = 100;

/** Where the operators of the demo's network keep their things, and how people reach them. */
export interface OperatorsOptions {
  readonly folder: string;
  readonly listen: SocketAddress;
}

/** Those who run the demo's network: a control plane, and what a person would do at its command line. */
export interface Operators extends AsyncDisposable {
  readonly control: Control;
  /** Where what is published lies. */
  readonly mirrorFolder: string;
  /** Asks the control plane, as its command line does. Throws a `ControlError`. */
  ask(method: string, path: string, body?: unknown): Promise<{ readonly [member: string]: unknown }>;
  /** Where in its life a relay is; null before it has enrolled. */
  stateOf(name: string): Promise<string | null>;
  /** A token with which one relay enrols. */
  enrolmentToken(name: string): Promise<string>;
  /** The entry of a relay for the network's channel, as a share link. */
  entryLink(name: string): Promise<string>;
  /** Says that a real client has used a relay, and puts it into service. */
  putIntoService(name: string): Promise<void>;
  /** Has brand files name these mirrors, and this page as what people see first. */
  describeNetwork(network: { readonly mirrors: readonly string[]; readonly home?: string }): Promise<void>;
  /** The path of a brand file, once it holds so many entries. */
  brandFile(entries: number): Promise<string>;
}

/** Draws the keys of a publication unless there are some. Whoever runs a real network keeps those of people apart from it (docs/guides/keys.md). */
async function beginOnce(env: Env, folder: string): Promise<string> {
  const path = join(folder, 'publication');
  const isThere = await access(join(path, 'keys')).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    using state = await StateFolder.open(path);
    await beginPublication(env, state, { folder: join(folder, 'offline-keys') });
  }
  return path;
}

/** Starts the control plane of the demo's network, with a channel. Throws what `createControl` throws. */
export async function startOperators(env: Env, { folder, listen }: OperatorsOptions): Promise<Operators> {
  await using stack = new AsyncDisposableStack();
  const [controlFolder, mirrorFolder] = [join(folder, 'control'), join(folder, 'mirror')];
  const publication = { folder: await beginOnce(env, folder), to: [mirrorFolder] };
  const version = await programVersion();
  const control = stack.use(
    await createControl({ folder: controlFolder, listen, databaseUrl: null, version, publication }, env),
  );
  const ask = async (method: string, path: string, body?: unknown): Promise<{ [member: string]: unknown }> =>
    Object(await askControl(env, controlFolder, { method, path, body }));
  const channels = await ask('GET', '/channels');
  if (!JSON.stringify(channels).includes(`"${CHANNEL}"`)) await ask('POST', '/channels', { channel: CHANNEL });
  const running = stack.move();
  return {
    control,
    mirrorFolder,
    ask,
    stateOf: async (name) => {
      const relays: unknown = await ask('GET', '/relays');
      const known = Array.isArray(relays) ? relays.find((relay) => Object(relay).name === name) : undefined;
      return known === undefined ? null : String(Object(known).state);
    },
    enrolmentToken: async (name) =>
      String((await ask('POST', '/enrolment-tokens', { name, channels: [CHANNEL] })).token),
    entryLink: async (name) => String((await ask('GET', `/relays/${name}/channels/${CHANNEL}/entry`)).link),
    putIntoService: async (name) => {
      await ask('POST', `/relays/${name}/test`, { passed: true });
      await ask('POST', `/relays/${name}/serve`);
    },
    describeNetwork: async ({ mirrors, home }) => {
      const homes = home === undefined ? [] : [`*=${home}`];
      await ask('PUT', '/network', { name: 'Rozan demo', mirrors, homes });
    },
    brandFile: (entries) => writeBrand(env, { folder, entries, ask }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface BrandOptions {
  readonly folder: string;
  readonly entries: number;
  readonly ask: (method: string, path: string) => Promise<{ [member: string]: unknown }>;
}

async function writeBrand(env: Env, { folder, entries, ask }: BrandOptions): Promise<string> {
  const file = join(folder, 'brand.json');
  const deadlineMs = env.clock.monotonicMs() + BRAND_MS;
  for (;;) {
    const { version } = await ask('GET', '/publication');
    if (version !== null) {
      const text = String((await ask('GET', `/channels/${CHANNEL}/buckets/0/brand`)).brand);
      const { entries: links } = Object(JSON.parse(text)) as { readonly entries: readonly unknown[] };
      if (links.length >= entries) {
        await writeFile(file, text, { mode: 0o600 });
        return file;
      }
    }
    if (env.clock.monotonicMs() > deadlineMs) throw new Error('the control plane publishes nothing');
    await new Promise<void>((resolve) => env.clock.setTimer(LOOK_MS, resolve));
  }
}
