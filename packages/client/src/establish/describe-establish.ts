import type { LogEvent } from '@rozan/tunnel';

const PHASES: Readonly<Record<string, string>> = {
  resolve: 'The name of the relay could not be looked up',
  connect: 'No connection to the relay',
  dress: 'A connection, but the relay did not open it',
  handshake: 'A connection, but no answer that the relay could have given',
  forward: 'Another relay was to pass the connection on',
  check: 'The relay has answered once, and then nothing got through',
};

const REASONS: Readonly<Record<string, string>> = {
  refused: 'it was refused. The relay is not running, or somebody in between says no in its name.',
  unreachable: 'there is no way there. Is this machine connected to the internet?',
  'timed-out': 'nothing came back. Somebody in between may be dropping it, or the line is very slow.',
  failed: 'it was broken off. Somebody in between may be cutting it.',
  'not-authentic':
    'what came back was from somebody else. Somebody in between answers, or the server entry is too old.',
  'relay-busy': 'it takes no more users at the moment.',
  'not-forwarded': 'it does not know the relay of the session, or cannot reach it either.',
  'unknown-session': 'it has forgotten the session.',
  'session-closed': 'it has hung up at once.',
  'name-not-found': 'there is no such name here. The resolver of this network may be hiding it.',
  'name-forged': 'the resolver of this network gives an address that is not the relay’s: the name is being blocked.',
  'proxy-failed': 'the upstream proxy cannot be reached, or is not one of that kind. Look at --upstream-proxy.',
  'proxy-denied': 'the upstream proxy does not connect there. It may allow port 443 only.',
  'proxy-login':
    'the upstream proxy wants a user name and a password. Put them into a file and name that in --upstream-proxy.',
};

const seconds = (ms: unknown): string => `${(Number(ms) / 1000).toFixed(1)} s`;
const times = (count: unknown, one: string, many: string): string => `${count} ${Number(count) === 1 ? one : many}`;

/** What an event of establishment says to a person who has asked for an account, or null for other events. */
export function describeEstablish(event: LogEvent): string | null {
  switch (event.event) {
    case 'establish.trying':
      return `Trying ${event.trying} of ${times(event.ways, 'way', 'ways')} … (${event.failed} have failed, ${seconds(event.afterMs)})`;
    case 'establish.failures': {
      const { transport, phase, code } = event;
      const what = PHASES[String(phase)] ?? 'It did not work';
      const why = REASONS[String(code)] ?? `it failed (${code}).`;
      const where = times(event.relayCount, 'relay', 'relays');
      return `  ${event.count} × ${transport}, at ${where}: ${what}: ${why}`;
    }
    case 'establish.over':
      return event.connected
        ? `Found a way after ${seconds(event.afterMs)}; ${event.failed} of ${event.ways} had failed before.`
        : `None of ${times(event.ways, 'way', 'ways')} has worked so far (${seconds(event.afterMs)}). It goes on.`;
    case 'attach.failed':
      return `No further connection to the relay: ${REASONS[String(event.code)] ?? `it failed (${event.code}).`} Trying again.`;
    case 'publication.refreshed':
      return `${event.isNew ? 'A newer list of relays was fetched' : 'The list of relays is the newest that there is; asked'} ${event.way === 'tunnel' ? 'through the tunnel' : 'a mirror in the open'}.`;
    default:
      return null;
  }
}
