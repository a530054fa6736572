/** A command that is run without a shell. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** How long it may take, where that is more than most; in ms. */
  readonly timeoutMs?: number;
}

/** Runs a command and gives what it has written; rejects when there is no such program or it fails. */
export type RunCommand = (command: Command) => Promise<string>;

/** Where the proxies are that the system is to use. */
export interface ProxyPlace {
  readonly host: string;
  readonly socksPort: number;
  readonly httpPort: number;
}

/** One value among the settings of a desktop. `key` is a key of this desktop's, in a form that only it reads. */
export interface Value {
  readonly key: string;
  /** As the desktop itself writes it; null where it is not set. */
  readonly text: string | null;
  /** Of something that its user has turned off: it is not to be changed, but put back should it be ours. */
  readonly isIdle?: boolean;
}

/** The proxy settings of one kind of desktop, by its documented commands. */
export interface Desktop {
  readonly name: string;
  /** Every value that `wanted` may name, as it is now. Rejects where this is not such a desktop. */
  read(run: RunCommand): Promise<readonly Value[]>;
  /** The key of the one value that turns all of it on; null where each value does so by itself. */
  readonly switchKey: string | null;
  /**
   * The values that make the system use these proxies, the one that turns it on last. `before`: what `read` has given. Throws where something is
   * set that could not be put back.
   */
  wanted(place: ProxyPlace, before: readonly Value[]): readonly Value[];
  write(run: RunCommand, value: Value): Promise<void>;
  /** Whether a value is what is seen for a moment while `before` is put back, where that takes two commands. */
  isPassing?(now: string | null, before: string | null): boolean;
  /** Whether a value is as good as `before`, where no command brings that back to the letter. */
  isAsGoodAs?(now: string | null, before: string | null): boolean;
  /** Tells programs that run of the change, where that takes another command. */
  announce(run: RunCommand): Promise<void>;
}
