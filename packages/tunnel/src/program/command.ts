import { type Command, CommanderError } from 'commander';
import { parseAddress } from '../address.ts';
import { TunnelError } from '../errors.ts';
import type { SocketAddress } from '../network.ts';
import { EXIT_CODE, ProgramError } from './exit-code.ts';

/** Reads the address of an option. Throws a `ProgramError` (usage) that names the option. */
export function addressOption(option: string, text: string): SocketAddress {
  try {
    return parseAddress(text);
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    throw new ProgramError(EXIT_CODE.usage, `${option}: ${cause.message}`, { cause });
  }
}

/** For options that may be given several times: collects their values. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/**
 * Parses a command's arguments and runs its action, if it has one. Returns the options, or null when help was asked for and printed.
 * Throws a `ProgramError` (usage) for what is not understood, after commander has said what it is.
 */
export async function parseCommand<T extends object>(command: Command, args: readonly string[]): Promise<T | null> {
  // Set before subcommands are added they inherit it; see `createCommand` of the programs.
  command.exitOverride();
  try {
    await command.parseAsync([...args], { from: 'user' });
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    if (cause.exitCode === 0) return null;
    const remedy = `\`${command.name()} --help\` lists the options.`;
    throw new ProgramError(EXIT_CODE.usage, 'the command line was not understood', { cause, remedy });
  }
  return command.opts<T>();
}
