import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './runtime.mjs';

/** Exit codes that the command line itself gives; the programs' own are in the help text below. */
export const exitCodes = { fine: 0, usage: 2 };

/** What can be asked for: which module holds it, and a line for the help text. */
export const commands = {
  demo: { module: 'packages/lab/src/demo/main.ts', summary: 'a whole network on this machine (what `npm start` runs)' },
  relay: { module: 'packages/relay/src/main.ts', summary: 'run a relay; `rozan relay init` makes one' },
  client: { module: 'packages/client/src/main.ts', summary: 'reach the internet through relays' },
  control: { module: 'packages/control/src/main.ts', summary: 'run the control plane of a network, and ask it' },
  channel: { module: 'packages/control/src/channel-main.ts', summary: 'the channels by which people learn of relays' },
  brand: {
    module: 'packages/control/src/brand-main.ts',
    summary: 'brand files, from which clients start: build, show',
  },
  app: { module: 'packages/client/src/app-main.ts', summary: 'open the app of a client that runs with --ui' },
  proxy: {
    module: 'packages/client/src/proxy-main.ts',
    summary: "have the system use a client's proxies, or no longer: on, off",
  },
  tactics: {
    module: 'packages/client/src/tactics-main.ts',
    summary: 'signed starting values for clients: sign, show, check',
  },
  keys: {
    module: 'packages/publication/src/keys-main.ts',
    summary: 'the keys that a publication rests on: new, init, rotate, show',
  },
  sign: {
    module: 'packages/publication/src/sign-main.ts',
    summary: 'sign a document of the publication, with no network',
  },
  publish: { module: 'packages/publication/src/publish-main.ts', summary: 'publish signed files for mirrors' },
  lab: { module: 'packages/lab/src/lab-main.ts', summary: 'documented censors against the real programs' },
  pt: { module: 'packages/pt/src/main.ts', summary: 'offer our transports to tor; run by tor itself' },
};

/** The text of `rozan help`. */
export function helpText() {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return `Usage: rozan COMMAND [OPTIONS]

Commands:
${lines.join('\n')}
  help      this text
  --version which version this is

\`rozan COMMAND --help\` lists a command's options.

Exit codes: 0 fine, 1 failure, 2 wrong usage, 3 could not listen, 4 data folder in use or broken.
`;
}

/** What \`rozan --version\` prints. */
export function versionText() {
  return `rozan ${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}\n`;
}
