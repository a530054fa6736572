/** How a connection is cut: with a reset, with a plain end, or silently (both ends stay open and nothing passes). */
export type CutWay = 'rst' | 'fin' | 'stall';

/** What a cutter does to connections. Where 0 is named, it turns the limit off. */
export interface CutterMode {
  /** Cut each connection so long after it began; 0: never by itself. For connections from now on. */
  readonly cutAfterMs?: number;
  /** Cut each connection once so many bytes have come on it, both ways together; 0: never. For connections from now on. */
  readonly cutAfterBytes?: number;
  /** Count `cutAfterMs` from when so many bytes came back from the target. For connections from now on. */
  readonly armBytes?: number;
  /** Cut at most so many times from now on. */
  readonly cuts?: number;
  /** Default: rst. */
  readonly how?: CutWay;
  /** Limit of each direction of each connection, kilobits a second; 0: none. For connections from now on. */
  readonly throttleKbps?: number;
  /** Limit of each direction of all connections together; a change holds at once for those that have one. 0: none, from now on. */
  readonly lineKbps?: number;
  /** Holds everything back for so long in each direction; 0: not at all. For connections from now on. */
  readonly delayMs?: number;
}

/** What `createCutter` takes. Addresses are `HOST:PORT` or `[v6]:PORT`. */
export interface CutterOptions extends CutterMode {
  /** Default: a free port of 127.0.0.1. */
  readonly listen?: string;
  readonly target: string;
  readonly onEvent?: (event: CutterEvent) => void;
}

/** Something that happened, `ms` after the start. */
export interface CutterEvent {
  readonly ms: number;
  readonly event: 'listening' | 'open' | 'cut' | 'closed' | 'outage';
  readonly address?: string;
  readonly connection?: number;
  readonly how?: CutWay;
  readonly bytesBack?: number;
  readonly on?: boolean;
  readonly way?: 'refuse' | 'blackhole';
}

/** A running cutter. */
export interface Cutter extends AsyncDisposable {
  /** Where it listens, with the real port. */
  readonly address: string;
  /** Bytes that have come through so far, over all connections, behind what throttles and delays them. */
  readonly carried: { readonly up: number; readonly down: number };
  /** All events so far. */
  readonly events: readonly CutterEvent[];
  /** The next event of this name. */
  next(event: CutterEvent['event']): Promise<CutterEvent>;
  /** Cuts all connections that are open, as `how` says. */
  cutAll(): void;
  /** Changes what is given and leaves the rest. */
  setMode(mode: CutterMode): void;
  /**
   * Begins or ends an outage. `refuse` (default): what is open is reset, new connections are refused. `blackhole`: nothing passes on
   * connections old and new, though new ones seem to open; what survives the outage goes on after it, as over a line that was down.
   */
  outage(on: boolean, way?: 'refuse' | 'blackhole'): Promise<void>;
  /** Resets what is open and stops. */
  close(): Promise<void>;
}

/** Starts a TCP proxy that cuts, stalls, throttles, delays or goes dark. */
export function createCutter(options: CutterOptions): Promise<Cutter>;
