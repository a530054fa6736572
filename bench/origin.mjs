// The benchmark's origin: a minimal HTTP/1.1 server on 127.0.0.1 that serves and checks the
// known byte sequence. It runs as a child process, so that its work is not the load generator's.
//
//   GET  /down?position=P&bytes=N          N bytes of the sequence from P
//   PUT  /up?position=P[&sha256=1]         checks the body; answers {bytes, intact, sha256}
//   GET  /hold                             answers a head, then sends back whatever it receives
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { matches, send } from './pattern.mjs';

const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_HEAD = 4096;

function head(length, type = 'application/octet-stream') {
  return `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;
}

function serveDownload(socket, query) {
  const bytes = Number(query.get('bytes'));
  socket.write(head(bytes));
  send(socket, Number(query.get('position')), bytes).then(
    () => socket.end(),
    () => socket.destroy(),
  );
}

function receiveUpload(socket, query, length, firstChunk) {
  const position = Number(query.get('position'));
  const hash = query.has('sha256') ? createHash('sha256') : undefined;
  let bytes = 0;
  let intact = true;
  const take = (chunk) => {
    intact = intact && matches(position + bytes, chunk);
    hash?.update(chunk);
    bytes += chunk.length;
    if (bytes < length) return;
    const body = JSON.stringify({ bytes, intact: intact && bytes === length, sha256: hash?.digest('hex') });
    socket.end(head(body.length, 'application/json') + body);
  };
  socket.on('data', take);
  take(firstChunk);
}

function hold(socket, firstChunk) {
  socket.write('HTTP/1.1 200 OK\r\n\r\n');
  if (firstChunk.length > 0) socket.write(firstChunk);
  socket.pipe(socket);
}

function route(socket, text, rest) {
  const [method, target] = text.split(' ', 2);
  const url = new URL(target, 'http://origin');
  const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0);
  if (method === 'GET' && url.pathname === '/down') serveDownload(socket, url.searchParams);
  else if (method === 'PUT' && url.pathname === '/up') receiveUpload(socket, url.searchParams, length, rest);
  else if (method === 'GET' && url.pathname === '/hold') hold(socket, rest);
  else socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
}

const open = new Set();
const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  open.add(socket);
  socket.on('close', () => open.delete(socket));
  let received = Buffer.alloc(0);
  const onHead = (chunk) => {
    received = received.length > 0 ? Buffer.concat([received, chunk]) : chunk;
    const end = received.indexOf(HEAD_END);
    if (end >= 0) {
      socket.off('data', onHead);
      route(socket, received.toString('latin1', 0, end), received.subarray(end + HEAD_END.length));
    } else if (received.length > MAX_HEAD) {
      socket.destroy();
    }
  };
  socket.on('data', onHead);
  socket.on('end', () => socket.end());
  socket.on('error', () => socket.destroy());
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => process.send?.({ port: server.address().port }));
process.on('disconnect', () => {
  server.close();
  for (const socket of open) socket.destroy();
});
