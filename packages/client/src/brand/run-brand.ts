import { readFile } from 'node:fs/promises';
import { ProtocolError } from '@rozan/protocol';
import { type Brand, PublicationError, parseBrand } from '@rozan/publication';
import type { Env } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import type { ClientConfig } from '../client.ts';
import type { ClientFolder } from '../data-folder.ts';
import { readEntries } from '../entries.ts';
import { ADDED_LOOK_MS } from '../limits.ts';
import { type BrandClient, createBrandClient } from './brand-client.ts';

/** The brand that a file holds, which is kept in the folder; or else the one that was kept there; null without. Throws a `ProgramError`. */
export async function findBrand(folder: ClientFolder, file: string | null): Promise<Brand | null> {
  const given = file === null ? null : await readNamed(file);
  const bytes = given ?? (await folder.storedBrand());
  if (bytes === null) return null;
  try {
    const brand = parseBrand(bytes);
    if (given !== null) await folder.storeBrand(given);
    return brand;
  } catch (cause) {
    if (!(cause instanceof PublicationError)) throw cause;
    const code = file === null ? EXIT_CODE.dataFolder : EXIT_CODE.usage;
    throw new ProgramError(code, cause.message, { cause, remedy: cause.remedy });
  }
}

async function readNamed(file: string): Promise<Buffer> {
  return await readFile(file).catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `the brand file could not be read: ${file}`, { cause });
  });
}

/** What `startWithBrand` needs beside what every client does. */
export interface BrandStart extends Omit<ClientConfig, 'entries'> {
  readonly brand: Brand;
  readonly folder: ClientFolder;
  /** Of entries that a person gives with the start. */
  readonly entrySources: readonly string[];
}

/** Starts a client from a brand, on a folder. Throws a `ProgramError`, and what `createClient` throws. */
export async function startWithBrand(env: Env, start: BrandStart): Promise<BrandClient> {
  const { brand, folder, entrySources, ...config } = start;
  const given = (await readEntries(env, entrySources)).map(({ link }) => link);
  const client = await createBrandClient(
    {
      ...config,
      brand,
      book: folder.book,
      publicationFolder: folder.publicationPath,
      added: given,
      tacticsStore: folder.tactics,
    },
    env,
  ).catch((cause: unknown) => {
    if (!(cause instanceof PublicationError)) throw cause;
    throw new ProgramError(EXIT_CODE.dataFolder, cause.message, { cause, remedy: cause.remedy });
  });
  let isOver = false;
  let cancel = env.clock.setTimer(0, () => {});
  const look = async (): Promise<void> => {
    // What cannot be read or kept now, on a full disk for one, is looked at again.
    await takeAdded(client, folder).catch(() => {});
    if (!isOver) cancel = env.clock.setTimer(ADDED_LOOK_MS, () => void look());
  };
  await look();
  return {
    ...client,
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      cancel();
      await client[Symbol.asyncDispose]();
    },
  };
}

/** Takes what people have put into the folder meanwhile. A file that cannot be read, though it was checked when it was put there, is dropped. */
async function takeAdded(client: BrandClient, folder: ClientFolder): Promise<void> {
  for (const file of await folder.addedFiles()) {
    await client.addEntries(file.links).catch((error: unknown) => {
      if (!(error instanceof ProtocolError)) throw error;
    });
    await folder.forgetAdded(file);
  }
}
