import type { Clock } from '@rozan/tunnel';
import type { Storage } from './storage.ts';

/** A storage that is gone with the process. */
export function createMemoryStorage(clock: Pick<Clock, 'wallMs'>): Storage {
  const files = new Map<string, { readonly bytes: Buffer; readonly writtenMs: number }>();
  return {
    read: async (name) => files.get(name)?.bytes ?? null,
    write: async (name, bytes) => {
      files.set(name, { bytes: Buffer.from(bytes), writtenMs: clock.wallMs() });
    },
    list: async (prefix) =>
      [...files].filter(([name]) => name.startsWith(prefix)).map(([name, { writtenMs }]) => ({ name, writtenMs })),
    remove: async (name) => {
      files.delete(name);
    },
  };
}
