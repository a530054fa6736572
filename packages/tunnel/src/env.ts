import type { Conn, Network, SocketAddress } from './network.ts';
import type { UpstreamProxy } from './upstream/upstream-url.ts';

/** Ends a timer. Calling it again, or after the timer has fired, does nothing. */
export type CancelTimer = () => void;

/** The only source of time. Its deterministic twin is `ManualClock` in `@rozan/tunnel/testing`. */
export interface Clock {
  /** Milliseconds since 1970, as this machine believes; may jump. */
  wallMs(): number;
  /** Milliseconds from some fixed point; never goes back. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. A pending timer does not keep the process alive by itself. */
  setTimer(delayMs: number, callback: () => void): CancelTimer;
}

/** The only source of randomness. */
export interface Random {
  /** `count` fresh bytes. */
  bytes(count: number): Buffer;
  /** A number from 0 (inclusive) to 1 (exclusive). */
  fraction(): number;
}

/** What a field of an event may hold: what JSON can. */
export type LogValue = string | number | boolean | null | readonly LogValue[] | { readonly [key: string]: LogValue };

/** A typed event: its name, and fields that carry no address, host or id of a user. */
export interface LogEvent {
  readonly event: string;
  readonly [field: string]: LogValue;
}

/** Where events go. */
export type Log = (event: LogEvent) => void;

/** What is asked of a program of others that makes connections. */
export interface ProgramDial {
  /** What the program calls the way in which it connects. */
  readonly method: string;
  /** What it has to know of the far end. */
  readonly args: Readonly<Record<string, string>>;
  readonly address: SocketAddress;
  readonly signal?: AbortSignal | undefined;
}

/** Programs of others through which a client may connect. They end with whoever made this. */
export interface Programs {
  /** Connects. Rejects with a `TunnelError` (`failed` where there is no such program) or with the signal's reason. */
  dial(request: ProgramDial): Promise<Conn>;
}

/** How the programs of others are found and started. */
export interface ProgramsOptions {
  /** By method: the executable, with its arguments behind it; what is not here is looked for where Debian has it. */
  readonly commands?: ReadonlyMap<string, string> | undefined;
  /** A proxy by which they have to leave this machine; its host is a literal address. */
  readonly proxy?: UpstreamProxy | undefined;
}

/** What a browser's WebSocket is asked for. */
export interface BrowserSocketRequest {
  /** `wss://NAME/PATH`: the name is shown, and the certificate has to bear it. */
  readonly url: string;
  /** In this order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** An HTTP proxy on this machine through which it connects, as a URL with user and password. */
  readonly proxy: string;
  /** Gets each message, whole. */
  readonly onMessage: (bytes: Buffer) => void;
  /** Called once: with the code of the peer's Close frame, or 1006 where there was none. */
  readonly onClose: (code: number) => void;
}

/** An open WebSocket. */
export interface BrowserSocket {
  /** Sends a binary message; what cannot be sent yet is kept. */
  send(bytes: Buffer): void;
  close(): void;
}

/** Makes WebSockets whose TLS hello is a browser's; it has its own TLS, and connects as it is told. */
export interface BrowserSockets {
  /** Resolves when the server has consented. Rejects with a `TunnelError` (`not-authentic`, `failed`). */
  open(request: BrowserSocketRequest): Promise<BrowserSocket>;
}

/** What every program gets from outside; passed first, never global. */
export interface Env {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Without, transports that need them fail. */
  readonly programs?: Programs | undefined;
  /** Gives what can send a browser's hello, null where this platform has nothing that can. Without, hellos are those of this runtime. */
  readonly loadBrowserSockets?: (() => Promise<BrowserSockets | null>) | undefined;
}
