#!/usr/bin/env node
// The one command. Plain JavaScript for any Node from 20 on: it installs what is missing, goes on under our own Node,
// and loads a program only when it is asked for.
import './lib/node-version.mjs';
import { fileURLToPath } from 'node:url';

const { commands, exitCodes, helpText, versionText } = await import('./lib/commands.mjs');
const { onOwnNode, runModule } = await import('./lib/program.mjs');

const [name = 'help', ...args] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;

if (name === 'help' || name === '--help' || name === '-h') {
  process.stdout.write(helpText());
} else if (name === '--version' || name === '-v' || name === 'version') {
  process.stdout.write(versionText());
} else if (command === undefined) {
  const names = [...Object.keys(commands), 'help'].join(', ');
  process.stderr.write(`rozan: there is no command '${name}'. The commands are: ${names}.\n`);
  process.exitCode = exitCodes.usage;
} else {
  await onOwnNode(fileURLToPath(import.meta.url), () => runModule(command.module, args), { staysOnBun: true });
}
