import { type Env, TRANSPORTS, type Transport } from '@rozan/tunnel';

/** What Tor calls our transports: C identifiers. */
export function methodName({ name }: Transport): string {
  return `rozan_${name.replaceAll('-', '_')}`;
}

/** Those that are ours: what needs the executables of others can be had from those. */
export function offeredTransports(): readonly Transport[] {
  return TRANSPORTS.filter(({ traits }) => traits.runsPrograms !== true);
}

/** The transport that a method names, or null. */
export function transportOf(method: string): Transport | null {
  return offeredTransports().find((transport) => methodName(transport) === method) ?? null;
}

/** What every side is given. */
export interface SideContext {
  readonly env: Env;
  readonly stateFolder: string;
  /** Writes a line of the specification. */
  readonly say: (line: string) => void;
}
