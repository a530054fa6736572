// What a cutter lets bytes go through: a line of some rate, a delay.
import { Transform } from 'node:stream';

/** A line of `kbps` kilobits a second: bytes take their turn on it, whichever connection they belong to. */
export class Line {
  #due = performance.now();

  constructor(kbps) {
    this.setRate(kbps);
  }

  setRate(kbps) {
    this.bytesPerMs = kbps / 8;
    this.piece = Math.max(256, Math.round(this.bytesPerMs * 10));
  }

  /** Milliseconds until `bytes` more have gone over the line. */
  take(bytes) {
    const now = performance.now();
    this.#due = Math.max(this.#due, now - 10) + bytes / this.bytesPerMs;
    return this.#due - now;
  }
}

/** Lets bytes through at the pace of a line, in pieces small enough for several connections to share it evenly. */
export class Throttle extends Transform {
  #timer;

  constructor(line) {
    super({ writableHighWaterMark: line.piece, readableHighWaterMark: line.piece });
    this.line = line;
  }

  _transform(chunk, _encoding, done) {
    let sent = 0;
    const next = () => {
      if (sent >= chunk.length) {
        done();
        return;
      }
      const piece = chunk.subarray(sent, sent + this.line.piece);
      sent += piece.length;
      const wait = this.line.take(piece.length);
      const go = () => {
        this.push(piece);
        next();
      };
      if (wait < 1) go();
      else this.#timer = setTimeout(go, wait);
    };
    next();
  }

  _destroy(error, done) {
    clearTimeout(this.#timer);
    done(error);
  }
}

/** Passes each chunk on `ms` after it came; takes in up to `MAX_HELD` bytes meanwhile. */
export class Delay extends Transform {
  static MAX_HELD = 64 << 20;
  #timers = new Set();

  constructor(ms) {
    super({ writableHighWaterMark: Delay.MAX_HELD, readableHighWaterMark: Delay.MAX_HELD });
    this.ms = ms;
  }

  #later(action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, this.ms);
    this.#timers.add(timer);
  }

  _transform(chunk, _encoding, done) {
    this.#later(() => this.push(chunk));
    done();
  }

  _flush(done) {
    this.#later(done);
  }

  _destroy(error, done) {
    for (const timer of this.#timers) clearTimeout(timer);
    done(error);
  }
}

/** Lets `allowance.left` bytes through, which both directions share, then no more; calls `allowance.onSpent` once the last are on their way. */
export class Allowance extends Transform {
  constructor(allowance) {
    super();
    this.allowance = allowance;
  }

  _transform(chunk, _encoding, done) {
    const { allowance } = this;
    const passed = chunk.subarray(0, allowance.left);
    allowance.left -= passed.length;
    if (passed.length > 0) this.push(passed);
    if (passed.length > 0 && allowance.left === 0) setImmediate(allowance.onSpent);
    done();
  }
}
