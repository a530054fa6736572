// A censor in twenty lines: a rule in a text, and two connections that meet it.
import { createMiddlebox, parsePolicyFile } from '@rozan/lab';
import { createEnv } from '@rozan/tunnel';

const censor = parsePolicyFile(
  `
id: X1
name: connections that do not begin as HTTP are reset
country: XX
dates: "2026"
source: [{ ref: an example, certainty: I }]
rules:
  - name: not HTTP
    when: { not: { protocol: http } }
    do: { reset: both }
hits: [{ traffic: random }]
spares: [{ traffic: http }]
`,
  'x1.yaml',
);

const env = createEnv({ log: () => {} });
const echo = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => conn.pipe(conn));
await using middlebox = createMiddlebox(censor, env);
const seenAs = { host: '203.0.113.5', port: 443 };
const address = await middlebox.routeFor('198.51.100.1')({ actual: echo.address, seenAs });

for (const first of ['GET / HTTP/1.1\r\n\r\n', 'anything else']) {
  const conn = await env.network.dial(address);
  const answer = await new Promise<string>((resolve) => {
    conn.once('data', () => resolve('answered'));
    conn.once('error', () => resolve('reset'));
    conn.write(first);
  });
  console.log(`${JSON.stringify(first)}: ${answer}`);
  conn.destroy();
}
await echo.close();
