import { join } from 'node:path';
import { createEnv } from '@rozan/tunnel';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { createCutter } from '../../../../bench/cutter-core.mjs';
import { createScratchFolder, freeAddress } from '../world.ts';
import { type Program, runRozan, startProgram } from './program.ts';

/** A relay and a client as programs of their own, with somebody between who cuts their connections. */
export interface CutNetwork extends AsyncDisposable {
  readonly relay: Program;
  readonly client: Program;
  /** What the client was given; it leads past the one who cuts. */
  readonly link: string;
}

/** How a network is cut. */
export interface CutNetworkOptions {
  /** The relay's `--egress-allow`. */
  readonly egressAllow: string;
  /** Each connection is reset at this age; 0: never. */
  readonly cutAfterMs: number;
  readonly onCut?: () => void;
}

/** Starts all three. */
export async function startCutNetwork(options: CutNetworkOptions): Promise<CutNetwork> {
  await using stack = new AsyncDisposableStack();
  const folder = join(stack.use(await createScratchFolder()).path, 'relay');
  const { port } = await freeAddress(createEnv({ log: () => {} }));
  const { cutAfterMs } = options;
  const onEvent = ({ event }: { readonly event: string }) => {
    if (event === 'cut') options.onCut?.();
  };
  const cutter = stack.use(await createCutter({ target: `127.0.0.1:${port}`, cutAfterMs, how: 'rst', onEvent }));
  const places = ['--listen', `opaque=127.0.0.1:${port}`, '--address', `opaque=${cutter.address}`];
  const { out, err } = await runRozan(['relay', 'init', '--data', folder, ...places]);
  const [link] = /rozan:\S+/.exec(out) ?? [];
  if (link === undefined) throw new Error(`no entry: ${err}`);
  const relayArgs = ['relay', '--data', folder, '--metrics', '127.0.0.1:0', '--egress-allow', options.egressAllow];
  const relay = stack.use(await startProgram(relayArgs));
  const doors = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const client = stack.use(await startProgram(['client', '--entry', '-', ...doors], { input: link }));
  const running = stack.move();
  return { relay, client, link, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
