import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { parseServerEntry, parseShareLink } from '@rozan/protocol';
import { createRelayFolder, enrolRelay } from '@rozan/relay';
import { type Env, formatAddress, TRANSPORTS } from '@rozan/tunnel';
import { freeAddress, startClient, startRelay, type WorldRelay, type WorldRelayOptions } from '../world.ts';
import type { Operators } from './operators.ts';

/** A relay answers before long, or not at all: it is on this machine. */
const TEST_MS = 20_000;

/** Which relay, and whose. */
export interface AdmitOptions extends WorldRelayOptions {
  readonly operators: Operators;
  /** As operators call it. */
  readonly name: string;
}

/** Makes a relay one of the network's, as an operator would, and puts it into service once a real client has used it. */
export async function admitRelay(env: Env, options: AdmitOptions): Promise<WorldRelay> {
  const { operators, folder, name, ...rest } = options;
  const state = await operators.stateOf(name);
  const isMade = await access(join(folder, 'relay.json')).then(
    () => true,
    () => false,
  );
  if (!isMade) {
    const [transport] = TRANSPORTS.map((each) => each.name);
    if (transport === undefined) throw new Error('there is no transport');
    const listen = [{ transport, address: await freeAddress(env), settings: {} }];
    await createRelayFolder(env.random, folder, { listen });
  }
  if (state === null) {
    const url = `http://${formatAddress(operators.control.address)}`;
    await enrolRelay(env, { folder, url, roots: null, token: await operators.enrolmentToken(name), isAgain: true });
  }
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay(env, { folder, ...rest }));
  if (state === null || state === 'new' || state === 'tested') {
    const { entry } = parseServerEntry(parseShareLink(await operators.entryLink(name)));
    await using client = await startClient(env, { entries: [entry] });
    await client.ready(AbortSignal.timeout(TEST_MS));
    await operators.putIntoService(name);
  }
  stack.move();
  return relay;
}
