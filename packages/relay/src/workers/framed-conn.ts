import { CLEAN_END, type Conn, PieceDuplex } from '@rozan/tunnel';

/**
 * A connection over a local socket that keeps what such a socket loses: whether the end was clean. Local sockets know no reset, and an owner
 * that dies looks like one that has ended.
 */
export class FramedConn extends PieceDuplex {
  constructor(raw: Conn) {
    super(raw, 'the other process has reset the connection');
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { raw } = this;
    const isClean = error === null && !this.isReset;
    if (isClean && this.writableFinished && this.hasPeerEnded) raw.end();
    else if (isClean && !this.writableEnded && raw.writableLength === 0 && !raw.destroyed) {
      raw.end(CLEAN_END, () => raw.destroy());
    } else raw.destroy();
    done(error);
  }
}
