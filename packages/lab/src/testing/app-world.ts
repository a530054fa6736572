import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createEnv, formatAddress, parseAddress, type SocketAddress } from '@rozan/tunnel';
import { createScratchFolder } from '../world.ts';
import { createGate, type Gate } from './gate.ts';
import { type Program, runRozan, startProgram } from './program.ts';

/** A relay behind a gate, and clients with the app. */
export interface AppWorld extends AsyncDisposable {
  readonly gate: Gate;
  /** Of the relay, through the gate. */
  readonly link: string;
  readonly folder: string;
  /** Starts a client on its folder, by name. */
  startClient(name: string, ...args: readonly string[]): Promise<Program>;
}

/** Makes a relay and starts it. */
export async function createAppWorld(): Promise<AppWorld> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await createScratchFolder());
  const { network } = createEnv({ log: () => {} });
  let target: SocketAddress = { host: '127.0.0.1', port: 1 };
  const gate = stack.use(await createGate(network, () => target));
  const relayFolder = join(folder, 'relay');
  const places = ['--listen', 'opaque=127.0.0.1:0', '--address', `opaque=${formatAddress(gate.address)}`];
  const { code, out, err } = await runRozan(['relay', 'init', '--data', relayFolder, ...places]);
  assert.equal(code, 0, err);
  const relay = stack.use(await startProgram(['relay', '--data', relayFolder, '--metrics', 'off', '--workers', '1']));
  const listen: unknown = relay.ready.listen;
  assert.ok(typeof listen === 'object' && listen !== null && 'opaque' in listen);
  target = parseAddress(String(listen.opaque));
  const running = stack.move();
  return {
    gate,
    link: out.trim(),
    folder,
    startClient: (name, ...args) => {
      const doors = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0', '--ui', '127.0.0.1:0'];
      return startProgram(['client', '--data', join(folder, name), ...doors, ...args]);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
