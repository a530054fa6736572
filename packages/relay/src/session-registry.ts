import type { ResetCode } from '@rozan/protocol';
import { DatagramNat } from './datagrams/nat.ts';
import { UNCONFIRMED_BOUNDS } from './limits/constants.ts';
import { DetachedList } from './limits/detached-list.ts';
import type { SessionPermit } from './limits/source-limits.ts';
import { RelaySession, type RelaySessionContext } from './relay-session.ts';

/** Is told which lookup ids the sessions here are found by. */
export interface LookupWatcher {
  added(id: string): void;
  removed(id: string): void;
}

/** The relay's sessions, and by which lookup ids clients find them. */
export class SessionRegistry {
  readonly #context: RelaySessionContext;
  readonly #watcher: LookupWatcher | undefined;
  readonly #byLookupId = new Map<string, RelaySession>();
  readonly #sessions = new Set<RelaySession>();
  readonly #unconfirmed: DetachedList<RelaySession>;
  #draining = false;

  constructor(context: Omit<RelaySessionContext, 'nat' | 'unconfirmed'>, watcher?: LookupWatcher) {
    this.#unconfirmed = new DetachedList(context.env.clock, {
      ...UNCONFIRMED_BOUNDS,
      groupsOf: ({ permit: { channel, source } }) => ({ channel, prefix: source.isLocal ? null : source.key }),
      onDue: (session) => session.close('session-lost'),
    });
    this.#context = { ...context, nat: new DatagramNat(context.env, context), unconfirmed: this.#unconfirmed };
    this.#watcher = watcher;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Sessions without a carrier. */
  get detachedCount(): number {
    let count = 0;
    for (const session of this.#sessions) if (session.detached) count += 1;
    return count;
  }

  /** Streams of all sessions. */
  get streamCount(): number {
    let count = 0;
    for (const { session } of this.#sessions) count += session.streamCount;
    return count;
  }

  /** Whether new sessions are refused. */
  get draining(): boolean {
    return this.#draining;
  }

  find(lookupId: Buffer): RelaySession | null {
    return this.#byLookupId.get(lookupId.toString('latin1')) ?? null;
  }

  create(permit: SessionPermit, secret: Buffer): RelaySession {
    const session = new RelaySession(this.#context, {
      secret,
      permit,
      table: {
        set: (id, owner) => {
          this.#byLookupId.set(id, owner);
          this.#watcher?.added(id);
        },
        delete: (id) => {
          this.#byLookupId.delete(id);
          this.#watcher?.removed(id);
        },
      },
      onOver: (over) => this.#sessions.delete(over),
    });
    this.#sessions.add(session);
    return session;
  }

  /** Refuses new sessions from now on and asks the clients to open new streams elsewhere. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const { session } of this.#sessions) session.sendDrain();
  }

  /** Takes new sessions again. */
  undrain(): void {
    this.#draining = false;
  }

  /** Ends all sessions. */
  closeAll(code: ResetCode): void {
    this.#unconfirmed.close();
    for (const session of [...this.#sessions]) session.close(code);
  }
}
