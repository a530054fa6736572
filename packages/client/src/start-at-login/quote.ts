/** How programs and their arguments are written, where the system starts programs at login. Each throws a `RangeError` for what cannot be. */

const CONTROL = /\p{Cc}/u;

function expectPlain(command: readonly string[]): void {
  if (command.some((word) => CONTROL.test(word))) throw new RangeError('a control character in a command');
}

/** An `Exec` value: words in quotes, in which a backslash stands before four characters, and all of it once more as a string (Desktop Entry Specification 1.5, "The Exec key" and "Values"). */
export function quoteForDesktopEntry(command: readonly string[]): string {
  expectPlain(command);
  return command
    .map((word) => `"${word.replaceAll(/["`$\\]/g, '\\$&').replaceAll('%', '%%')}"`)
    .join(' ')
    .replaceAll('\\', '\\\\');
}

/** Text of an element (XML 1.0, 2.4). */
export function quoteForXml(text: string): string {
  expectPlain([text]);
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** A command line as programs on Windows take it apart: backslashes count only before a quotation mark (CommandLineToArgvW). */
export function quoteForWindows(command: readonly string[]): string {
  expectPlain(command);
  return command.map((word) => `"${word.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/\\+$/, '$&$&')}"`).join(' ');
}
