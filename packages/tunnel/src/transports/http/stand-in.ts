import { IncomingMessage } from 'node:http';

/** The same request once more, for a site to read: its body has been read before. */
export function standInFor(request: IncomingMessage, body: readonly Buffer[]): IncomingMessage {
  const again = new IncomingMessage(request.socket);
  again.method = request.method;
  again.url = request.url;
  again.headers = request.headers;
  again.rawHeaders = request.rawHeaders;
  again.httpVersion = request.httpVersion;
  again.httpVersionMajor = request.httpVersionMajor;
  again.httpVersionMinor = request.httpVersionMinor;
  again.complete = true;
  for (const chunk of body) again.push(chunk);
  again.push(null);
  return again;
}
