import type { FuzzTarget } from './target.ts';
import { ADDRESS_TARGETS } from './targets/addresses.ts';
import { BYTE_TARGETS } from './targets/bytes.ts';
import { CENSOR_TARGETS } from './targets/censor.ts';
import { ENTRY_TARGETS } from './targets/entries.ts';
import { FRAME_TARGETS } from './targets/frames.ts';
import { HANDSHAKE_TARGETS } from './targets/handshake.ts';
import { LOCAL_PROXY_TARGETS } from './targets/local-proxy.ts';
import { PUBLICATION_TARGETS } from './targets/publication.ts';
import { REASSEMBLY_TARGETS } from './targets/reassembly.ts';
import { RECORD_TARGETS } from './targets/records.ts';
import { RELAY_TARGETS } from './targets/relay.ts';
import { SEEDED_TARGETS } from './targets/seeded.ts';
import { TACTICS_TARGETS } from './targets/tactics.ts';
import { UPSTREAM_TARGETS } from './targets/upstream.ts';

/** Everything that reads bytes or text from outside. A new decoder gets a line in one of these lists. */
export const TARGETS: readonly FuzzTarget[] = [
  ...BYTE_TARGETS,
  ...ADDRESS_TARGETS,
  ...FRAME_TARGETS,
  ...REASSEMBLY_TARGETS,
  ...RECORD_TARGETS,
  ...HANDSHAKE_TARGETS,
  ...ENTRY_TARGETS,
  ...TACTICS_TARGETS,
  ...LOCAL_PROXY_TARGETS,
  ...RELAY_TARGETS,
  ...UPSTREAM_TARGETS,
  ...CENSOR_TARGETS,
  ...PUBLICATION_TARGETS,
];

/** The target with that name. Throws if there is none. */
export function findTarget(name: string): FuzzTarget {
  const target = [...TARGETS, ...SEEDED_TARGETS].find((one) => one.name === name);
  if (target === undefined) throw new Error(`no such target: ${name}`);
  return target;
}
