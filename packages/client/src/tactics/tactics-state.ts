import { MAX_TACTICS_STATE_BYTES } from '../limits.ts';

const VERSION = 1;
export const SALT_BYTES = 16;

/** What a client keeps of tactics. */
export interface TacticsState {
  /** Decides what this client draws. It never leaves the machine. */
  readonly salt: Buffer;
  /** The last document that was taken, signed as it came; null if there was none. Older ones are not taken any more. */
  readonly document: Buffer | null;
}

export function formatTacticsState({ salt, document }: TacticsState): string {
  const text = document === null ? null : document.toString('base64url');
  return `${JSON.stringify({ v: VERSION, salt: salt.toString('base64url'), document: text })}\n`;
}

/** Reads what `formatTacticsState` has written, within its bounds; null for anything else. The document's signature is not looked at. */
export function parseTacticsState(text: string): TacticsState | null {
  if (text.length > MAX_TACTICS_STATE_BYTES) return null;
  const input = parseJson(text);
  if (typeof input !== 'object' || input === null) return null;
  const { v, salt: saltText, document }: Record<string, unknown> = { ...input };
  if (v !== VERSION || typeof saltText !== 'string') return null;
  if (document !== null && typeof document !== 'string') return null;
  const salt = Buffer.from(saltText, 'base64url');
  if (salt.length !== SALT_BYTES) return null;
  return { salt, document: document === null ? null : Buffer.from(document, 'base64url') };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
