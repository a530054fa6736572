import { EventEmitter, once } from 'node:events';
import type { Env } from '@rozan/tunnel';
import { Logger, run, type TaskList, type WorkerEvents } from 'graphile-worker';
import { type Database, type Queries, sql } from '../database/database.ts';
import { LOGIN_BOUNDS } from '../limits.ts';
import { moveRelay } from '../relays/life-cycle.ts';
import { lifeOf, type RelayRow, writeLife } from '../relays/relay-row.ts';

/** Each job is done by one of the control planes: they claim it in the database. */
const CRONTAB = '* * * * * windows ?max=3\n17 * * * * sweep ?max=3';
/** New jobs are announced; this is for those whose announcement was lost. */
const POLL_MS = 10_000;

/** Opens and ends the windows in which relays are discoverable. */
export async function moveWindows(queries: Queries, nowMs: number): Promise<void> {
  const rows = await queries.rows<RelayRow>(
    sql`select * from relays where state in ('serving', 'discoverable') and discoverable_from is not null
        order by id for update skip locked`,
  );
  for (const row of rows) {
    const life = lifeOf(row);
    const next = moveRelay(life, { kind: 'time' }, nowMs);
    if (next !== null && next.state !== life.state) await writeLife(queries, row.id, next);
  }
}

/** Removes what has run out. */
export async function sweep(queries: Queries, nowMs: number): Promise<void> {
  const now = new Date(nowMs);
  await queries.run(sql`delete from login_links where expires_at <= ${now}`);
  await queries.run(sql`delete from challenges where expires_at <= ${now}`);
  await queries.run(sql`delete from api_tokens where expires_at <= ${now}`);
  await queries.run(sql`delete from enrolment_tokens where expires_at <= ${now}`);
  await queries.run(sql`delete from access_secrets where ends_at <= ${now}`);
  await queries.run(
    sql`delete from sessions where used_at <= ${new Date(nowMs - LOGIN_BOUNDS.sessionIdleMs)}
          or created_at <= ${new Date(nowMs - LOGIN_BOUNDS.sessionMs)}`,
  );
}

function tasks({ clock }: Env, database: Database): TaskList {
  const job = (work: (queries: Queries, nowMs: number) => Promise<void>) => async () => {
    await database.transaction((queries) => work(queries, clock.wallMs()));
  };
  return { windows: job(moveWindows), sweep: job(sweep) };
}

/** Begins to do what is due. Disposing ends it after the job that is being done. */
export async function startJobs(env: Env, database: Database): Promise<AsyncDisposable> {
  const logger = new Logger(({ taskIdentifier = 'none' }) => (level) => {
    if (level === 'error') env.log({ event: 'job.failed', job: taskIdentifier });
  });
  const events: WorkerEvents = new EventEmitter();
  // What is to be done when is known from then on.
  const hasSchedule = once(events, 'cron:started');
  const runner = await run({
    events,
    pgPool: database.pool,
    taskList: tasks(env, database),
    crontab: CRONTAB,
    concurrency: 1,
    pollInterval: POLL_MS,
    noHandleSignals: true,
    logger,
  });
  const isOver = runner.promise.catch(() => env.log({ event: 'jobs.stopped' }));
  await Promise.race([hasSchedule, isOver]);
  return { [Symbol.asyncDispose]: () => runner.stop().catch(() => {}) };
}
