// A program of its own that holds plain connections and does nothing with them: without an argument it listens and tells its parent the
// port; with a port it connects there as often as it is told, and answers when all are open. It ends with its parent.
import { type Conn, createEnv } from '@rozan/tunnel';

/** What it says: where it listens, or how many connections it has open, or why not. */
export type HolderReport = { readonly port: number } | { readonly open: number } | { readonly failed: string };

const HOST = '127.0.0.1';
/** Connections that are being made at once. */
const AT_ONCE = 64;

const { network } = createEnv({ log: () => {} });
const conns: Conn[] = [];
const say = (report: HolderReport): void => {
  process.send?.(report);
};

function hold(conn: Conn): void {
  conn.on('error', () => {});
  conn.resume();
  conns.push(conn);
}

async function connect(port: number, count: number): Promise<void> {
  let started = 0;
  const worker = async (): Promise<void> => {
    while (started < count) {
      started += 1;
      hold(await network.dial({ host: HOST, port }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

const [, , port] = process.argv;
if (port === undefined) {
  const listener = await network.listen({ host: HOST, port: 0 }, hold);
  say({ port: listener.address.port });
} else {
  process.on('message', (count: number) => {
    connect(Number(port), count).then(
      () => say({ open: conns.length }),
      (error: unknown) => say({ failed: String(error) }),
    );
  });
  say({ open: 0 });
}
process.on('disconnect', () => process.exit());
