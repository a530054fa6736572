import type { Identity } from './self-signed.ts';

/** A certificate that a listener wants of an authority (ACME, RFC 8555). */
export interface CertificateOrder {
  /** The name that it is to bear, in small letters. */
  readonly name: string;
  /** The URL of the authority's directory. */
  readonly directory: string;
  /** Where the authority may write to, as in `mailto:me@example.org`. */
  readonly contact?: string | undefined;
  /** A PEM file with the root that vouches for the directory itself, where that is none of the usual ones. */
  readonly root?: string | undefined;
}

/** What there is for one name. */
export interface CertificateState {
  readonly name: string;
  /** What the authority gave; null as long as it has given nothing. */
  readonly identity: Identity | null;
  /** What to show to an authority that asks whether this server has the name; null while none is expected to. */
  readonly challenge: Identity | null;
}

/** Where listeners find what authorities gave. Whoever runs them keeps it filled. */
export interface Certificates {
  stateOf(name: string): CertificateState;
  /** Calls `listener` after every change; the function that it gives back ends that. */
  onChange(listener: () => void): () => void;
}

/** A filled or empty shelf of certificates. */
export class CertificateShelf implements Certificates {
  readonly #listeners = new Set<() => void>();
  #states = new Map<string, CertificateState>();

  constructor(states: readonly CertificateState[] = []) {
    this.set(states);
  }

  stateOf(name: string): CertificateState {
    return this.#states.get(name) ?? { name, identity: null, challenge: null };
  }

  /** Takes the place of all that was there. */
  set(states: readonly CertificateState[]): void {
    this.#states = new Map(states.map((state) => [state.name, state]));
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
