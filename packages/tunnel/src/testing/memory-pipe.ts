import { Duplex } from 'node:stream';
import type { Conn } from '../network.ts';
import { type CutKind, MemoryLane, type MemoryLaneOptions, type MemoryLine } from './memory-lane.ts';

/** How a pair of connected ends behaves. */
export interface MemoryPairOptions extends Omit<MemoryLaneOptions, 'line'> {
  /** Slow lines that the bytes have to pass in the two directions. */
  readonly lines?: { readonly toServer: MemoryLine; readonly toClient: MemoryLine } | undefined;
  /** What each end reports as its peer's address. */
  readonly clientAddress?: string | undefined;
  readonly serverAddress?: string | undefined;
}

/** Two connected ends in one process, and what a test can do to what lies between them. */
export interface MemoryPair {
  readonly client: Conn;
  readonly server: Conn;
  /** Bytes handed to the reader at each end so far. */
  readonly bytesToServer: number;
  readonly bytesToClient: number;
  /** Whether at least one end is not yet closed. */
  readonly isOpen: boolean;
  cut(kind: CutKind): void;
  /** Holds everything back (true), or lets it go on (false). Nothing is lost. */
  setStalled(isStalled: boolean): void;
}

/** Makes two connected ends. Bytes are copied, and arrive in a later turn of the event loop, never inside the call that sends them. */
export function createMemoryPair(options: MemoryPairOptions): MemoryPair {
  const toServer = new MemoryLane({ ...options, line: options.lines?.toServer });
  const toClient = new MemoryLane({ ...options, line: options.lines?.toClient });
  const client = createEnd({ outgoing: toServer, incoming: toClient, remoteAddress: options.serverAddress });
  const server = createEnd({ outgoing: toClient, incoming: toServer, remoteAddress: options.clientAddress });
  const lanes = [toServer, toClient];
  return {
    client,
    server,
    get bytesToServer() {
      return toServer.deliveredBytes;
    },
    get bytesToClient() {
      return toClient.deliveredBytes;
    },
    get isOpen() {
      return !(client.closed && server.closed);
    },
    cut(kind) {
      for (const lane of lanes) lane.cut(kind);
    },
    setStalled(isStalled) {
      for (const lane of lanes) lane.setStalled(isStalled);
    },
  };
}

interface EndOptions {
  readonly outgoing: MemoryLane;
  readonly incoming: MemoryLane;
  readonly remoteAddress: string | undefined;
}

function createEnd(options: EndOptions): Conn {
  const { outgoing, incoming, remoteAddress } = options;
  let isReset = false;
  const duplex = new Duplex({
    allowHalfOpen: true,
    write: (chunk: Buffer, _encoding, done) => outgoing.write(chunk, done),
    final: (done) => {
      outgoing.finish();
      done();
    },
    read: () => incoming.pull(),
    destroy: (error, done) => {
      // A kernel answers a close with unread bytes by a reset, and a close without by a clean end.
      if (isReset || incoming.hasBytes || duplex.readableLength > 0) outgoing.reset();
      else outgoing.finish();
      incoming.abandon();
      done(error);
    },
  });
  duplex.on('error', ignoreError);
  incoming.reader = duplex;
  return Object.assign(duplex, {
    remoteAddress,
    resetAndDestroy: () => {
      isReset = true;
      return duplex.destroy();
    },
  });
}

/** As in the real network: an owner that has no listener yet must not let a reset end the process. */
function ignoreError(): void {}
