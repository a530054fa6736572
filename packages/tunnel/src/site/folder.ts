import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { MAX_PATH_CHARS } from './limits.ts';
import { isReading, pathOf, replyHead, replyStatus, type Site } from './reply.ts';

const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.htm', 'text/html; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.mjs', 'text/javascript; charset=utf-8'],
  ['.json', 'application/json; charset=utf-8'],
  ['.txt', 'text/plain; charset=utf-8'],
  ['.xml', 'application/xml'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
  ['.jpg', 'image/jpeg'],
  ['.jpeg', 'image/jpeg'],
  ['.gif', 'image/gif'],
  ['.webp', 'image/webp'],
  ['.avif', 'image/avif'],
  ['.ico', 'image/x-icon'],
  ['.woff2', 'font/woff2'],
  ['.woff', 'font/woff'],
  ['.pdf', 'application/pdf'],
  ['.mp4', 'video/mp4'],
  ['.webm', 'video/webm'],
]);

/** A site of the files in a folder, read anew for every request. What starts with a dot is not shown. */
export function createFolderSite(root: string): Site {
  return (request, response) => {
    if (!isReading(request, response)) return;
    serve(root, request, response).catch(() => replyStatus(request, response, 404));
  };
}

/** Rejects when there is no such file. */
async function serve(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = pathOf(request, MAX_PATH_CHARS);
  if (path === null) {
    replyStatus(request, response, 404);
    return;
  }
  const found = await stat(join(root, path));
  if (found.isDirectory() && !path.endsWith('/')) {
    redirect(request, response);
    return;
  }
  const file = found.isDirectory() ? join(root, path, 'index.html') : join(root, path);
  const stats = found.isDirectory() ? await stat(file) : found;
  if (!stats.isFile() || (path.endsWith('/') && !found.isDirectory())) replyStatus(request, response, 404);
  else sendFile(file, stats, { request, response });
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function sendFile(file: string, stats: Stats, { request, response }: Exchange): void {
  const modifiedMs = Math.floor(stats.mtimeMs);
  const isWanted = replyHead(request, response, {
    contentType: CONTENT_TYPES.get(extname(file).toLowerCase()) ?? 'application/octet-stream',
    bytes: stats.size,
    etag: `W/"${stats.size.toString(16)}-${modifiedMs.toString(16)}"`,
    modifiedMs,
  });
  if (!isWanted) return;
  if (stats.size === 0) {
    response.end();
    return;
  }
  // A file that grows while it is sent must not bring more than was announced.
  pipeline(createReadStream(file, { start: 0, end: stats.size - 1 }), response, () => {});
}

/** To the same path with a slash, so that the links of the page hold. */
function redirect(request: IncomingMessage, response: ServerResponse): void {
  const [path = '/', query] = (request.url ?? '/').split('?', 2);
  // Two slashes at the start would name another host.
  const location = `${path.replace(/^\/+/, '/')}/${query === undefined ? '' : `?${query}`}`;
  response.statusCode = 301;
  response.setHeader('Location', location);
  response.setHeader('Content-Length', 0);
  response.end();
}
