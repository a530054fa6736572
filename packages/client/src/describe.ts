import type { LogEvent } from '@rozan/tunnel';
import { describeRefusal } from './tactics/describe-tactics.ts';

const seconds = (ms: unknown): string => `${(Number(ms) / 1000).toFixed(1)} s`;

/** What the client has learnt about connections on this network. */
function describePlan({ carriers, cutAfterMs, bytesUntilCut }: LogEvent): string {
  const limits = [
    cutAfterMs === null ? null : `Connections are cut here after ${seconds(cutAfterMs)}; they are replaced before.`,
    bytesUntilCut === null
      ? null
      : `Connections are cut here after ${Math.round(Number(bytesUntilCut) / 1000)} kB; they are replaced before.`,
  ].filter((text) => text !== null);
  const count =
    carriers === 1 ? 'One connection to the relay does.' : `${carriers} connections to the relay are used at once.`;
  return [...limits, count].join(' ');
}

/** What a client's event says to a person, or null for those that a person need not see. */
export function describe(event: LogEvent): string | null {
  switch (event.event) {
    case 'session.opened':
      return 'Connected to a relay.';
    case 'session.detached':
      return 'The connection to the relay was lost; reconnecting. Downloads wait.';
    case 'session.resumed':
      return `Reconnected after ${seconds(event.afterMs)}. Downloads go on.`;
    case 'session.rerouted':
      return 'The relay cannot be reached directly; another relay passes the connection on to it. Downloads go on.';
    case 'session.returned':
      return 'The relay can be reached directly again.';
    case 'carriers.adapted':
      return describePlan(event);
    case 'session.closed':
      return 'The session with the relay is over; what ran through it has been ended.';
    case 'connect.failed':
      return 'No relay can be reached at the moment; trying again.';
    case 'relay.draining':
      return 'The relay is about to stop; new connections go elsewhere.';
    case 'program.missing':
      return `The relay is reached through ${event.method}, and no executable for it is on this machine. Install one (for obfs4 the package obfs4proxy), or name it with --pt ${event.method}=EXECUTABLE.`;
    case 'program.failed':
      return `A Tor transport cannot be used: ${event.reason}.`;
    case 'memory.unwritable':
      return 'What was learnt about ways to relays could not be written; it is remembered until the end.';
    case 'app.unopened':
      return 'No browser could be opened. Open the app yourself, by the address above, or later by that of rozan app --print.';
    case 'app.unbuilt':
      return 'The app could not be built, so there is nothing to open; the proxies work without it. `node packages/client/ui/build.mjs` says why.';
    case 'tactics.refused':
      return describeRefusal(event);
    case 'entries.changed':
      return `The network's list of relays has changed: ${event.added} new, ${event.removed} gone; ${event.count} are known.`;
    case 'publication.failed':
      return 'No newer list of relays could be had; going on with those that are known.';
    case 'entry.stale':
      return 'A server entry is not valid at this time by the clock of this machine; it is used all the same.';
    case 'entry.exposed':
    case 'proxy.exposed':
    case 'upstream.exposed':
      return `Warning: ${event.advice}`;
    default:
      return null;
  }
}
