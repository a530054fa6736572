import { LOOKUP_ID_BYTES } from '@rozan/protocol';

/** Which worker owns which session, by lookup id. */
export class SessionDirectory<Owner> {
  readonly #owners = new Map<string, Owner>();

  /** Ids of all sessions. */
  get size(): number {
    return this.#owners.size;
  }

  /** `ids`: one behind the other. */
  add(owner: Owner, ids: Buffer): void {
    for (const id of split(ids)) this.#owners.set(id, owner);
  }

  remove(owner: Owner, ids: Buffer): void {
    for (const id of split(ids)) if (this.#owners.get(id) === owner) this.#owners.delete(id);
  }

  /** The owner is gone, and its sessions with it. */
  forget(owner: Owner): void {
    for (const [id, each] of this.#owners) if (each === owner) this.#owners.delete(id);
  }

  find(lookupId: Buffer): Owner | null {
    return this.#owners.get(lookupId.toString('latin1')) ?? null;
  }
}

function* split(ids: Buffer): Generator<string> {
  for (let at = 0; at + LOOKUP_ID_BYTES <= ids.length; at += LOOKUP_ID_BYTES) {
    yield ids.toString('latin1', at, at + LOOKUP_ID_BYTES);
  }
}
