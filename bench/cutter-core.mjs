// A TCP proxy that does to connections what a hostile or bad network does: cuts, stalls, slows, delays, goes dark.
// cutter.mjs is its command line; tests use `createCutter` in their own process. Types: cutter-core.d.mts.
import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { Allowance, Delay, Line, Throttle } from './cutter-stages.mjs';

const WAYS = ['rst', 'fin', 'stall'];
const OUTAGES = ['refuse', 'blackhole'];
/** How long after one side of a connection has closed the other is closed too: what is under way still goes through. */
const LINGER_MS = 100;
const BACKLOG = 4096;

/** One connection through the cutter: two sockets and, in each direction, what the bytes go through between them. */
class Link {
  bytesBack = 0;
  stalled = false;
  #held = false;
  #paths;

  constructor({ id, client, target, stages, carried }) {
    this.id = id;
    this.client = client;
    this.target = target;
    this.#paths = [
      { direction: 'up', from: client, through: [...stages('up'), target] },
      { direction: 'down', from: target, through: [...stages('down'), client] },
    ];
    for (const { direction, from, through } of this.#paths) {
      const last = through.at(-2) ?? from;
      last.on('data', (chunk) => (carried[direction] += chunk.length));
      through.reduce((source, sink) => source.pipe(sink));
    }
    this.#flow();
  }

  get sockets() {
    return [this.client, this.target];
  }

  #flow() {
    for (const { from, through } of this.#paths) from.pipe(through[0]);
  }

  /** Lets nothing through until `resume`. The sockets stay open, and are not read. */
  hold() {
    if (this.#held || this.stalled) return;
    this.#held = true;
    for (const { from, through } of this.#paths) {
      from.unpipe(through[0]);
      from.pause();
      // What is in a stage already must not arrive either.
      through.at(-1).cork();
    }
  }

  resume() {
    if (!this.#held || this.stalled) return;
    this.#held = false;
    for (const { through } of this.#paths) through.at(-1).uncork();
    this.#flow();
  }

  /** Lets nothing through any more, for ever, with both ends left open. */
  stall() {
    this.resume();
    this.hold();
    this.stalled = true;
  }

  destroy(reset = false) {
    for (const { from, through } of this.#paths) {
      if (reset) resetSocket(from);
      else from.destroy();
      for (const stage of through.slice(0, -1)) stage.destroy();
    }
  }
}

/** Node's own method fails while the kernel is told of a clean end, and leaves a handle for which the process never ends. */
function resetSocket(socket) {
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isEnding && !socket.destroyed) socket.once('finish', () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}

function parseAddress(text) {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text);
  if (!match) throw new Error(`not of the form HOST:PORT: ${text}`);
  return { host: match[1] ?? match[2], port: Number(match[3]) };
}

function formatAddress({ address, port }) {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

class Cutter {
  events = [];
  address = '';
  carried = { up: 0, down: 0 };
  #options;
  #server;
  #links = new Set();
  #timers = new Set();
  #lines;
  #outage = 'none';
  #cutsLeft = Number.POSITIVE_INFINITY;
  #opened = 0;
  #waiting = new Set();
  #start = performance.now();

  constructor({ target, onEvent, ...mode }) {
    this.#options = { armBytes: 0, how: 'rst', target: parseAddress(target), onEvent };
    this.setMode(mode);
  }

  setMode({ cuts, lineKbps, ...rest }) {
    if (rest.how !== undefined && !WAYS.includes(rest.how)) throw new Error(`how: one of ${WAYS.join(', ')}`);
    for (const name of ['cutAfterMs', 'cutAfterBytes', 'armBytes', 'how', 'throttleKbps', 'delayMs']) {
      if (rest[name] !== undefined) this.#options[name] = rest[name];
    }
    if (cuts !== undefined) this.#cutsLeft = cuts;
    if (lineKbps === undefined) return;
    if (lineKbps === 0) this.#lines = undefined;
    else if (this.#lines) for (const line of Object.values(this.#lines)) line.setRate(lineKbps);
    else this.#lines = { up: new Line(lineKbps), down: new Line(lineKbps) };
  }

  #say(event, fields = {}) {
    const said = { ms: Math.round(performance.now() - this.#start), event, ...fields };
    this.events.push(said);
    this.#options.onEvent?.(said);
    for (const wait of this.#waiting) if (wait.event === event) wait.resolve(said);
  }

  /** The next event of this name. */
  next(event) {
    return new Promise((resolve) => {
      const wait = {
        event,
        resolve: (said) => {
          this.#waiting.delete(wait);
          resolve(said);
        },
      };
      this.#waiting.add(wait);
    });
  }

  async listen(address) {
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => this.#accept(client));
    const { host, port } = parseAddress(address);
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: BACKLOG }, resolve);
    });
    this.address = formatAddress(this.#server.address());
    this.#say('listening', { address: this.address });
  }

  #stages(direction, allowance) {
    const { throttleKbps, delayMs } = this.#options;
    const list = [];
    if (throttleKbps) list.push(new Throttle(new Line(throttleKbps)));
    if (this.#lines) list.push(new Throttle(this.#lines[direction]));
    if (delayMs) list.push(new Delay(delayMs));
    if (allowance !== null) list.push(new Allowance(allowance));
    return list;
  }

  #accept(client) {
    const { target: address, armBytes, cutAfterMs, cutAfterBytes, delayMs = 0 } = this.#options;
    const target = connect({ ...address, noDelay: true, allowHalfOpen: true });
    const allowance = cutAfterBytes ? { left: cutAfterBytes, onSpent: () => this.#cut(link) } : null;
    const stages = (direction) => this.#stages(direction, allowance);
    const link = new Link({ id: ++this.#opened, client, target, stages, carried: this.carried });
    this.#links.add(link);
    this.#say('open', { connection: link.id });
    let timer;
    const arm = () => {
      if (timer !== undefined || cutAfterMs === undefined || cutAfterMs === 0) return;
      timer = this.#later(cutAfterMs, () => this.#cut(link));
    };
    if (armBytes === 0) arm();
    target.on('data', (chunk) => {
      link.bytesBack += chunk.length;
      if (armBytes > 0 && link.bytesBack >= armBytes) arm();
    });
    const over = (reset) => {
      if (!this.#links.delete(link)) return;
      this.#cancel(timer);
      this.#say('closed', { connection: link.id, bytesBack: link.bytesBack });
      link.destroy(reset);
    };
    for (const socket of link.sockets) {
      socket.on('error', (error) => over(error.code === 'ECONNRESET'));
      socket.on('close', () => {
        if (this.#links.has(link) && !link.stalled) this.#later(delayMs + LINGER_MS, () => over(false));
      });
    }
    if (this.#outage === 'blackhole') link.hold();
  }

  #later(ms, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer) {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  #cut(link) {
    if (!this.#links.has(link) || link.stalled || this.#cutsLeft <= 0) return;
    this.#cutsLeft -= 1;
    const { how } = this.#options;
    this.#say('cut', { connection: link.id, how, bytesBack: link.bytesBack });
    if (how === 'stall') link.stall();
    else link.destroy(how === 'rst');
  }

  cutAll() {
    for (const link of [...this.#links]) this.#cut(link);
  }

  async outage(on, way = 'refuse') {
    if (!OUTAGES.includes(way)) throw new Error(`outage: one of ${OUTAGES.join(', ')}`);
    const before = this.#outage;
    const after = on ? way : 'none';
    if (before === after) return;
    if (before !== 'none' && on) throw new Error('end the one outage before another begins');
    this.#outage = after;
    this.#say('outage', { on, way: on ? way : before });
    if (after === 'refuse') {
      for (const link of [...this.#links]) link.destroy(true);
      await this.#stopListening();
    } else if (before === 'refuse') {
      await this.listen(this.address);
    } else {
      for (const link of this.#links) {
        if (after === 'blackhole') link.hold();
        else link.resume();
      }
    }
  }

  /** Ends what listens; the connections stay, so the server's own `close` would wait for them. */
  #stopListening() {
    const server = this.#server;
    return new Promise((resolve) => {
      server.close();
      setImmediate(resolve);
    });
  }

  async close() {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const link of this.#links) link.destroy(true);
    this.#links.clear();
    if (this.#server.listening) await this.#stopListening();
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }
}

/** Below those that systems give to whoever asks for any: while an outage refuses connections the port is nobody's, and must not become another's. */
const OWN_PORTS = [20_000, 32_000];
const PORT_TRIES = 50;

/** Listens at a free port of `OWN_PORTS`. */
async function listenAnywhere(cutter, triesLeft = PORT_TRIES) {
  try {
    await cutter.listen(`127.0.0.1:${randomInt(...OWN_PORTS)}`);
  } catch (error) {
    if (error.code !== 'EADDRINUSE' || triesLeft === 0) throw error;
    await listenAnywhere(cutter, triesLeft - 1);
  }
}

/** Starts a cutter; see cutter-core.d.mts for what it takes and can do. */
export async function createCutter({ listen, ...options }) {
  const cutter = new Cutter(options);
  if (listen === undefined) await listenAnywhere(cutter);
  else await cutter.listen(listen);
  return cutter;
}
