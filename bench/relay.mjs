#!/usr/bin/env node
// A plain SOCKS5 relay in Node: no encryption, no accounts, CONNECT only. It shows what a
// relay written with Node's own streams can reach at most.
import { connect, createServer } from 'node:net';
import { parseArgs } from 'node:util';

const HELP = 'usage: node bin/run.mjs bench/relay.mjs --listen HOST:PORT';
const SUCCESS = Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
const FAILURE = Buffer.from([5, 1, 0, 1, 0, 0, 0, 0, 0, 0]);

/** The destination of a whole CONNECT request and the request's length; nothing while it is short. */
function parseRequest(bytes) {
  if (bytes.length < 5) return undefined;
  const length = { 1: 10, 3: 7 + bytes[4], 4: 22 }[bytes[3]];
  if (length === undefined || bytes[1] !== 1) throw new Error('unsupported request');
  if (bytes.length < length) return undefined;
  const port = bytes.readUInt16BE(length - 2);
  if (bytes[3] === 3) return { host: bytes.toString('latin1', 5, length - 2), port, length };
  const address = bytes.subarray(4, length - 2);
  const host = bytes[3] === 1 ? address.join('.') : address.toString('hex').match(/.{4}/g).join(':');
  return { host, port, length };
}

function join(client, { host, port }, rest) {
  const target = connect({ host, port, noDelay: true, allowHalfOpen: true });
  target.on('error', () => client.end(target.connecting ? FAILURE : undefined));
  client.on('error', () => target.destroy());
  client.on('close', () => target.destroy());
  target.on('close', () => client.destroySoon());
  target.once('connect', () => {
    client.write(SUCCESS);
    if (rest.length > 0) target.write(rest);
    client.pipe(target);
    target.pipe(client);
  });
}

function serve(client) {
  let greeted = false;
  let received = Buffer.alloc(0);
  client.on('error', () => client.destroy());
  const take = (chunk) => {
    received = Buffer.concat([received, chunk]);
    if (!greeted && received.length >= 2 && received.length >= 2 + received[1]) {
      greeted = true;
      received = received.subarray(2 + received[1]);
      client.write(Buffer.from([5, 0]));
    }
    if (!greeted) return;
    try {
      const request = parseRequest(received);
      if (!request) return;
      client.off('data', take);
      client.pause();
      join(client, request, received.subarray(request.length));
    } catch {
      client.destroy();
    }
  };
  client.on('data', take);
}

const { values } = parseArgs({ options: { listen: { type: 'string' }, help: { type: 'boolean' } } });
if (values.help || !values.listen) {
  console.log(HELP);
  process.exitCode = values.help ? 0 : 2;
} else {
  const [host, port] = values.listen.split(':');
  createServer({ noDelay: true, allowHalfOpen: true }, serve).listen({ host, port: Number(port), backlog: 4096 });
  // Whoever has loaded this file would end it when it has been loaded.
  await new Promise(() => {});
}
