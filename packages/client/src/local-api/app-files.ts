import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { MAX_APP_BYTES, MAX_APP_FILES } from './limits.ts';

/** A file of the app. */
export interface AppFile {
  readonly bytes: Buffer;
  readonly contentType: string;
  /** Whether its name changes with what is in it. */
  readonly isLasting: boolean;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.txt': 'text/plain; charset=utf-8',
};

/** As Vite names what it has built. */
const HASHED = /^\/assets\/.+-[A-Za-z0-9_-]{8}\.\w+$/;

const NOT_BUILT = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Rozan</title>
<h1>Rozan is running</h1>
<p>The app itself has not been built on this machine, so there is nothing to show here. The proxies work without it.</p>
</html>
`;

async function pathsUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/**
 * Reads the built app, whole: what is asked for by a path is looked up among these, and no path of a request ever gets to the file system. Without
 * a built app there is a page that says so.
 */
export async function readAppFiles(folder: string | null): Promise<ReadonlyMap<string, AppFile>> {
  const files = new Map<string, AppFile>();
  let bytesLeft = MAX_APP_BYTES;
  for (const path of folder === null ? [] : (await pathsUnder(folder)).slice(0, MAX_APP_FILES)) {
    bytesLeft -= (await stat(path)).size;
    if (bytesLeft < 0) break;
    const name = `/${relative(folder ?? '', path)
      .split(sep)
      .join('/')}`;
    const contentType = CONTENT_TYPES[extname(path)] ?? 'application/octet-stream';
    files.set(name, { bytes: await readFile(path), contentType, isLasting: HASHED.test(name) });
  }
  const index = files.get('/index.html');
  const page = { bytes: Buffer.from(NOT_BUILT), contentType: 'text/html; charset=utf-8', isLasting: false };
  return files.set('/', index ?? page);
}
