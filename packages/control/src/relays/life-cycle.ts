// The life of a relay, as the network sees it:
//
//   new ──► tested ──► serving ◄──► discoverable        a window of dates opens and closes
//    │         │          │  ▲           │
//    │         ▼          ▼  │           ▼
//    │       drained ◄───────┴──── (drained)            takes no new sessions; may serve again
//    ▼         ▼
//   retired ◄──┘                                        for good
//
// Burnt in a country is beside all this: the relay goes on for everybody else.

/** Where a relay is in its life. */
export const RELAY_STATES = ['new', 'tested', 'serving', 'discoverable', 'drained', 'retired'] as const;
export type RelayState = (typeof RELAY_STATES)[number];

/** When a relay is given to clients that ask for more; in ms since 1970, the end not included. */
export interface DiscoveryWindow {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What the life cycle is about. */
export interface RelayLife {
  readonly state: RelayState;
  /** Set in `serving` (the window has not opened yet) and `discoverable` only. */
  readonly window: DiscoveryWindow | null;
}

/** What happens to a relay. */
export type RelayMove =
  /** A real client has used it, or failed to. */
  | { readonly kind: 'test'; readonly hasPassed: boolean }
  /** Its entries may be published. Also takes back a drain. */
  | { readonly kind: 'serve' }
  /** Give it to clients between two dates. */
  | { readonly kind: 'discover'; readonly window: DiscoveryWindow }
  /** Stop that before its date. */
  | { readonly kind: 'hide' }
  /** Take no new sessions. */
  | { readonly kind: 'drain' }
  /** End it for good. */
  | { readonly kind: 'retire' }
  /** Time has passed. */
  | { readonly kind: 'time' };

/** Which moves there are from a state, `time` apart, which is always allowed. */
const MOVES: { readonly [State in RelayState]: readonly RelayMove['kind'][] } = {
  new: ['test', 'retire'],
  tested: ['test', 'serve', 'drain', 'retire'],
  serving: ['discover', 'hide', 'drain'],
  discoverable: ['discover', 'hide', 'drain'],
  drained: ['serve', 'retire'],
  retired: [],
};

/** Whether the life cycle has that move from here. */
export function isMove(state: RelayState, kind: RelayMove['kind']): boolean {
  return kind === 'time' || MOVES[state].includes(kind);
}

/** A serving relay, discoverable or not by the time. */
function byTime(window: DiscoveryWindow | null, nowMs: number): RelayLife {
  if (window === null || nowMs >= window.untilMs) return { state: 'serving', window: null };
  return { state: nowMs >= window.fromMs ? 'discoverable' : 'serving', window };
}

/** The life after a move at `nowMs` (ms since 1970), or null where the life cycle has no such move from here. */
export function moveRelay(life: RelayLife, move: RelayMove, nowMs: number): RelayLife | null {
  if (!isMove(life.state, move.kind)) return null;
  switch (move.kind) {
    case 'test':
      return { state: move.hasPassed ? 'tested' : 'new', window: null };
    case 'serve':
    case 'hide':
      return { state: 'serving', window: null };
    case 'discover':
      return move.window.untilMs <= Math.max(nowMs, move.window.fromMs) ? null : byTime(move.window, nowMs);
    case 'drain':
      return { state: 'drained', window: null };
    case 'retire':
      return { state: 'retired', window: null };
    case 'time':
      return life.state === 'serving' || life.state === 'discoverable' ? byTime(life.window, nowMs) : life;
  }
}

/** Whether clients may get entries of a relay in this state at all. */
export function isPublished({ state }: RelayLife): boolean {
  return state === 'serving' || state === 'discoverable';
}
