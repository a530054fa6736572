import { createHash } from 'node:crypto';
import { type FolderReport, PublicationError, publishFolder, StateFolder } from '@rozan/publication';
import type { CancelTimer, Env } from '@rozan/tunnel';
import { FolderError } from '@rozan/tunnel/data-folder';
import { type Database, sql } from '../database/database.ts';
import { PUBLICATION_BOUNDS } from '../limits.ts';
import type { EntrySigner } from '../relays/entry-signer.ts';
import { claimPublication } from './claim.ts';
import { entryLists } from './entry-lists.ts';

/** What a publisher works on. */
export interface PublisherOptions {
  readonly database: Database;
  readonly signer: EntrySigner;
  /** The folder that `rozan keys init` has made. */
  readonly folder: string;
  /** Where copies go: folders, or `s3://…`. */
  readonly to: readonly string[];
}

/** Brings the publication to where the database and the folder are. Throws a `PublicationError` or `FolderError`. */
async function publishOnce(env: Env, { database, signer, folder: path, to }: PublisherOptions): Promise<FolderReport> {
  const changes = await database.rows<{ id: number }>(sql`select id from publication_changes`);
  using folder = await StateFolder.open(path);
  await expectNewest(database, folder);
  await folder.setManaged();
  const lists = await entryLists(database, { signer, nowMs: env.clock.wallMs() });
  const report = await publishFolder(env, folder, { lists, to });
  await writeState(env, { database, folder, report });
  await database.run(sql`delete from publication_changes where id = any(${changes.map(({ id }) => id)})`);
  return report;
}

/** Two publications of one network, or two copies of one, would send clients back and forth. */
async function expectNewest(database: Database, folder: StateFolder): Promise<void> {
  const row = await database.first<{ first_root: Buffer | null; version: number | null }>(
    sql`select first_root, version from publication`,
  );
  const known = row?.first_root ?? null;
  const first = await folder.root('first');
  if (known !== null && (first === null || !digest(first).equals(known))) {
    throw new PublicationError('conflict', 'this folder does not hold the publication of the network in the database', {
      remedy: 'Name the folder that the network has published from with --publication, or copy it here.',
    });
  }
  // Clients refuse what is older than what they have seen.
  if (((await folder.version()) ?? 0) < (row?.version ?? 0)) {
    throw new PublicationError('conflict', 'this folder holds an older publication than the network has published', {
      remedy:
        'Name the folder that was published from last with --publication, or copy its public/ here from a mirror.',
    });
  }
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

async function writeState(
  env: Env,
  { database, folder, report }: { database: Database; folder: StateFolder; report: FolderReport },
): Promise<void> {
  const [first, root] = [await folder.root('first'), await folder.root('newest')];
  const waiting = JSON.stringify(report.waiting.map(({ role, version }) => ({ role, version })));
  const expiring = JSON.stringify(
    report.expiring.map(({ role, expiresMs }) => ({ role, expires: new Date(expiresMs).toISOString() })),
  );
  await database.run(
    sql`update publication set first_root = ${first === null ? null : digest(first)}, root = ${root}, version = ${report.version},
          published_at = ${new Date(env.clock.wallMs())}, error = null, waiting = ${waiting}, expiring = ${expiring}`,
  );
}

/** A publisher that runs. */
export class Publisher implements AsyncDisposable {
  readonly #env: Env;
  readonly #options: PublisherOptions;
  readonly #isOver = new AbortController();
  #cancelTimer: CancelTimer = () => {};
  #running: Promise<void> = Promise.resolve();
  #nextMs = 0;
  #hasFailed = false;

  /** Begins at once. It never throws: what goes wrong is logged and written down, and tried again. */
  constructor(env: Env, options: PublisherOptions) {
    this.#env = env;
    this.#options = options;
    this.#look();
  }

  #look(): void {
    if (this.#isOver.signal.aborted) return;
    this.#running = this.#publishIfDue().catch(() => {});
    void this.#running.then(() => {
      this.#cancelTimer = this.#env.clock.setTimer(PUBLICATION_BOUNDS.lookMs, () => this.#look());
    });
  }

  async #publishIfDue(): Promise<void> {
    const { clock } = this.#env;
    const isDue = clock.monotonicMs() >= this.#nextMs || (!this.#hasFailed && (await this.#hasChanges()));
    if (!isDue) return;
    this.#nextMs = clock.monotonicMs() + PUBLICATION_BOUNDS.everyMs;
    try {
      await using claim = await claimPublication(this.#options.database);
      if (claim === null) {
        // Another control plane publishes; whether it has this folder is seen when it is done.
        this.#nextMs = clock.monotonicMs();
        return;
      }
      const { version, changed, files, bytes } = await publishOnce(this.#env, this.#options);
      this.#hasFailed = false;
      if (changed.length > 0) this.#env.log({ event: 'publication.published', version, files, bytes });
    } catch (error) {
      this.#hasFailed = true;
      this.#nextMs = clock.monotonicMs() + PUBLICATION_BOUNDS.againMs;
      await this.#tell(error);
    }
  }

  async #hasChanges(): Promise<boolean> {
    const row = await this.#options.database.first<{ has: boolean }>(
      sql`select exists(select from publication_changes) as has`,
    );
    return row?.has ?? false;
  }

  async #tell(error: unknown): Promise<void> {
    const isKnown = error instanceof PublicationError || error instanceof FolderError;
    const text = isKnown ? [error.message, error.remedy].filter((part) => part !== null).join(' ') : 'see the log';
    // It may be the database that cannot be reached.
    await this.#options.database.run(sql`update publication set error = ${text}`).catch(() => {});
    this.#env.log({ event: 'publication.failed', code: isKnown ? error.code : 'failed' });
  }

  /** Ends after what is being published. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver.abort();
    this.#cancelTimer();
    await this.#running;
    this.#cancelTimer();
  }
}
