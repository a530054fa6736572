import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Random } from '@rozan/tunnel';
import {
  createPrivateFolder,
  expectPrivate,
  isMissing,
  lockFolder,
  readPrivateFile,
  writeFileAtomically,
} from '@rozan/tunnel/data-folder';
import { CONFIG_BOUNDS } from '../limits/constants.ts';
import { drawStrangerIdleMs } from '../strangers/stranger-hall.ts';
import {
  formatRelayConfig,
  type ListenPlace,
  parseRelayConfig,
  type RelayChannel,
  type RelayConfig,
  type TransportAddress,
} from './relay-config.ts';
import { RelayError } from './relay-error.ts';

const CONFIG_FILE = 'relay.json';
const REPLAY_FILE = 'replays';
const KEY_BYTES = 32;

/** The channel that a relay has from the start. */
export const DEFAULT_CHANNEL_ID = 'default';

/** An open folder: locked against other relays. */
export interface RelayFolder {
  /** Absolute. */
  readonly path: string;
  readonly config: RelayConfig;
  /** Where the unsynced handshakes are kept; for `openReplayFile`. */
  readonly replayPath: string;
  /** Writes another config, atomically, and has `config` show it. */
  update(config: RelayConfig): Promise<void>;
  /** Unlocks the folder. Calling it again does nothing. */
  close(): void;
}

/** What `createRelayFolder` is told. */
export interface RelayFolderOptions {
  readonly listen: readonly ListenPlace[];
  /** Only where it differs from `listen`. */
  readonly addresses?: readonly TransportAddress[] | undefined;
  /** Ids of the channels; one called `default` if nothing is said. */
  readonly channelIds?: readonly string[] | undefined;
}

/** A new channel with an access secret of its own. */
export function createChannel(random: Random, id: string): RelayChannel {
  return { id, accessSecret: random.bytes(KEY_BYTES) };
}

async function openLocked(
  path: string,
): Promise<Omit<RelayFolder, 'config' | 'update'> & { readonly configPath: string }> {
  const lock = await lockFolder(path, 'relay');
  return {
    path,
    configPath: join(path, CONFIG_FILE),
    replayPath: join(path, REPLAY_FILE),
    close: () => lock.release(),
  };
}

/**
 * Makes a relay: draws its keys, its channels' secrets and its idle time for strangers. The folder may exist. Gives back what was written.
 * Throws a `RelayError` (`folder-exists`) or a `FolderError`.
 */
export async function createRelayFolder(
  random: Random,
  folder: string,
  options: RelayFolderOptions,
): Promise<RelayConfig> {
  const path = resolve(folder);
  await createPrivateFolder(path);
  await expectPrivate(path);
  const { configPath, close } = await openLocked(path);
  try {
    if ((await readPrivateFile(configPath, CONFIG_BOUNDS.fileBytes)) !== null) {
      throw new RelayError('folder-exists', `there is a relay in ${folder} already`, {
        remedy: 'run it with "rozan relay --data DIR", or name another folder',
      });
    }
    const config: RelayConfig = {
      staticKey: random.bytes(KEY_BYTES),
      signingKey: random.bytes(KEY_BYTES),
      channels: (options.channelIds ?? [DEFAULT_CHANNEL_ID]).map((id) => createChannel(random, id)),
      listen: options.listen,
      addresses: options.addresses ?? [],
      strangerIdleMs: drawStrangerIdleMs(random),
    };
    const bytes = formatRelayConfig(config);
    parseRelayConfig(bytes); // what would not open again must not be written
    await writeFileAtomically(configPath, bytes);
    return config;
  } finally {
    close();
  }
}

/** The folder's config, without a lock; null if there is no relay in it. */
async function readConfig(configPath: string): Promise<RelayConfig | null> {
  const bytes = await readPrivateFile(configPath, CONFIG_BOUNDS.fileBytes);
  return bytes === null ? null : parseRelayConfig(bytes);
}

/** A relay's config, whether the relay runs or not. Throws a `RelayError`. */
export async function readRelayConfig(folder: string): Promise<RelayConfig> {
  const path = resolve(folder);
  await expectPrivate(path).catch((error: unknown) => {
    throw isMissing(error) ? missing(folder, error) : error;
  });
  const config = await readConfig(join(path, CONFIG_FILE));
  if (config === null) throw missing(folder);
  return config;
}

function missing(folder: string, cause?: unknown): RelayError {
  return new RelayError('folder-missing', `there is no relay in ${folder}`, {
    cause,
    remedy: 'make one with "rozan relay init --data DIR --listen TRANSPORT=HOST:PORT"',
  });
}

/**
 * Opens a relay's folder and locks it for this process.
 * Throws a `RelayError` (`folder-missing`, `folder-broken`, `folder-too-new`) or a `FolderError`.
 */
export async function openRelayFolder(folder: string): Promise<RelayFolder> {
  const path = resolve(folder);
  await expectPrivate(path).catch((error: unknown) => {
    throw isMissing(error) ? missing(folder, error) : error;
  });
  // Looked at before the lock is taken, so that nothing is left behind in a folder that is none of ours.
  if ((await readConfig(join(path, CONFIG_FILE))) === null) throw missing(folder);
  const { configPath, ...locked } = await openLocked(path);
  try {
    const config = await readConfig(configPath);
    if (config === null) throw missing(folder);
    await rm(`${configPath}.tmp`, { force: true });
    return openFolder({ ...locked, configPath, config });
  } catch (error) {
    locked.close();
    throw error;
  }
}

function openFolder(options: Omit<RelayFolder, 'update'> & { readonly configPath: string }): RelayFolder {
  const { configPath, path, replayPath, close } = options;
  let { config } = options;
  return {
    path,
    replayPath,
    close,
    get config() {
      return config;
    },
    update: async (next) => {
      const bytes = formatRelayConfig(next);
      parseRelayConfig(bytes);
      await writeFileAtomically(configPath, bytes);
      config = next;
    },
  };
}
