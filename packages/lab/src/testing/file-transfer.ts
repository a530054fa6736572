import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type Origin, startSite } from './origin.ts';
import { type Program, startProgram } from './program.ts';
import { curl, sha256 } from './tools.ts';

/** A site that gives one file, and says the digest of what it is sent. */
export function startFileSite(file: Buffer): Promise<Origin> {
  return startSite((request, response) => {
    if (request.method === 'GET') {
      response.end(file);
      return;
    }
    const hash = createHash('sha256');
    request.on('data', (bytes: Buffer) => hash.update(bytes));
    request.on('end', () => response.end(hash.digest('hex')));
  });
}

/** Starts the client program with one entry, on free ports. */
export function startClientProgram(link: string, env: { readonly [name: string]: string } = {}): Promise<Program> {
  const args = ['client', '--entry', '-', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  return startProgram(args, { input: link, env });
}

/** Loads the site's file through the client and sends it back, over the transport that is meant and no other. */
export async function carryBothWays(
  client: Program,
  { site, file, transport }: { readonly site: Origin; readonly file: Buffer; readonly transport: string },
): Promise<void> {
  const url = `http://127.0.0.1:${site.port}/`;
  const down = await curl(['-x', `socks5h://${client.text('socks')}`, url]);
  assert.equal(down.code, 0, down.err);
  assert.equal(sha256(down.out), sha256(file));
  const upload = ['-x', `http://${client.text('http')}`, '-p', '-H', 'Expect:', '--data-binary', '@-', url];
  const up = await curl(upload, { input: file });
  assert.equal(up.out.toString(), sha256(file), up.err);
  await client.waitForEvent((event) => event.event === 'carrier.attached' && event.transport === transport);
  const carriers = client.events.filter(({ event }) => event === 'carrier.attached');
  assert.deepEqual(new Set(carriers.map((event) => event.transport)), new Set([transport]));
}
