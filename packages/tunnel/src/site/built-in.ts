import { createHash } from 'node:crypto';
import { composePages } from './compose-pages.ts';
import { MAX_PATH_CHARS } from './limits.ts';
import { isReading, type PageHead, pathOf, replyHead, replyStatus, type Site } from './reply.ts';

interface Page extends PageHead {
  readonly body: Buffer;
}

/** A small site that is drawn from a seed: each relay has another one, and the same one after every start. */
export function createBuiltInSite(seed: Buffer): Site {
  const { texts, modifiedMs } = composePages(seed);
  const pages = new Map<string, Page>();
  for (const [path, { contentType, text }] of texts) {
    const body = Buffer.from(text);
    const digest = createHash('sha256').update(body).digest('base64url').slice(0, 27);
    const etag = `W/"${body.length.toString(16)}-${digest}"`;
    pages.set(path, { body, contentType, etag, modifiedMs, bytes: body.length });
  }
  return (request, response) => {
    if (!isReading(request, response)) return;
    const page = pages.get(pathOf(request, MAX_PATH_CHARS) ?? '');
    if (page === undefined) replyStatus(request, response, 404);
    else if (replyHead(request, response, page)) response.end(page.body);
  };
}
