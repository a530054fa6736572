import type { IncomingMessage, ServerResponse } from 'node:http';

/** Answers one request. */
export type Site = (request: IncomingMessage, response: ServerResponse) => void;

/** What is known of a page before its bytes are sent. */
export interface PageHead {
  readonly contentType: string;
  readonly bytes: number;
  readonly etag: string;
  readonly modifiedMs: number;
}

const REASON_TEXTS: ReadonlyMap<number, string> = new Map([
  [400, 'Bad Request'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [500, 'Internal Server Error'],
  [502, 'Bad Gateway'],
]);

/** Answers with a short page of its own for each status. Does nothing when an answer has begun. */
export function replyStatus(request: IncomingMessage, response: ServerResponse, status: number): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const text = REASON_TEXTS.get(status) ?? 'Error';
  const body = Buffer.from(
    `<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>${status} ${text}</title>\n</head>\n` +
      `<body>\n<h1>${text}</h1>\n</body>\n</html>\n`,
  );
  response.statusCode = status;
  if (status === 405) response.setHeader('Allow', 'GET, HEAD');
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.setHeader('Content-Length', body.length);
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** The path of a request without its query, decoded and safe to look up; null for one that names nothing. */
export function pathOf(request: IncomingMessage, maxChars: number): string | null {
  const [raw = ''] = (request.url ?? '').split('?', 1);
  if (raw.length > maxChars || !raw.startsWith('/')) return null;
  try {
    const path = decodeURIComponent(raw);
    const hasTrap = path.includes('\0') || path.includes('\\') || path.split('/').some((part) => part.startsWith('.'));
    return hasTrap ? null : path;
  } catch {
    return null;
  }
}

/** Whether only reading was asked for; answers with 405 itself if not. */
export function isReading(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method === 'GET' || request.method === 'HEAD') return true;
  replyStatus(request, response, 405);
  return false;
}

/** Sends the headers of a page. True when its body is to follow; otherwise the answer is complete (304, HEAD). */
export function replyHead(request: IncomingMessage, response: ServerResponse, page: PageHead): boolean {
  response.setHeader('Accept-Ranges', 'none');
  response.setHeader('Cache-Control', 'public, max-age=0');
  response.setHeader('Last-Modified', new Date(page.modifiedMs).toUTCString());
  response.setHeader('ETag', page.etag);
  if (isUnchanged(request, page)) {
    response.statusCode = 304;
    response.end();
    return false;
  }
  response.setHeader('Content-Type', page.contentType);
  response.setHeader('Content-Length', page.bytes);
  if (request.method !== 'HEAD') return true;
  response.end();
  return false;
}

/** RFC 9110 §13.2.2: `If-None-Match` decides where it is given, `If-Modified-Since` else. */
function isUnchanged(request: IncomingMessage, { etag, modifiedMs }: PageHead): boolean {
  const tags = request.headers['if-none-match'];
  if (tags !== undefined) {
    const bare = etag.replace(/^W\//, '');
    return tags.split(',').some((tag) => ['*', bare].includes(tag.trim().replace(/^W\//, '')));
  }
  const sinceMs = Date.parse(request.headers['if-modified-since'] ?? '');
  return !Number.isNaN(sinceMs) && Math.floor(modifiedMs / 1000) * 1000 <= sinceMs;
}
