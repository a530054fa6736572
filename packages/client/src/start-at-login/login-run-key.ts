import type { RunCommand } from '../system-proxy/desktop.ts';
import type { LoginItem } from './login-item.ts';
import { quoteForWindows } from './quote.ts';

const KEY = 'HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run';
/** Windows runs nothing that is longer. */
const MAX_CHARS = 260;

/** Of Windows: a value of the user's Run key, by `reg`. */
export function loginRunKey(run: RunCommand, name: string): LoginItem {
  const isOn = () =>
    run({ program: 'reg', args: ['query', KEY, '/v', name] }).then(
      () => true,
      () => false,
    );
  return {
    isOn,
    on: async (command) => {
      const line = quoteForWindows(command);
      if (line.length > MAX_CHARS) throw new RangeError('the command is too long for Windows to run at login');
      await run({ program: 'reg', args: ['add', KEY, '/v', name, '/t', 'REG_SZ', '/d', line, '/f'] });
    },
    off: async () => {
      if (await isOn()) await run({ program: 'reg', args: ['delete', KEY, '/v', name, '/f'] });
    },
  };
}
