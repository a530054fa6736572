// Documented censors, as far as they act on whole TCP connections. Numbers without a source are named in `ours`.
import { randomBytes } from 'node:crypto';
import { judgeFirstPacket, type RuleVariant } from '../../classifiers/first-packet.ts';
import { looksLikeDns, looksLikeHttp, looksLikeSsh, looksLikeTls, serverNameOf } from './classify.ts';
import { DROP, type Flow, type FlowRule, PASS, type Packet, type Policy, RESET, type Verdict } from './flow-rule.ts';

const HELLO = Buffer.from('16030102000100', 'hex');
const RANDOM = randomBytes(600);
const REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n');
const SSH = Buffer.from('SSH-2.0-OpenSSH_9.2\r\n');
const SOMEWHERE = { host: '203.0.113.7', port: 443 };
const CUT_MS = 60_000;
const BASE_RATE = 125_000;

type Packets = (flow: Flow, packet: Packet) => Verdict;

/** A rule that looks at the first packet of the client only. */
function onFirst(judge: (bytes: Buffer, flow: Flow, nowMs: number) => Verdict): () => FlowRule {
  const onPacket: Packets = (flow, { from, indexInDirection, bytes, nowMs }) =>
    from === 'client' && indexInDirection === 0 ? judge(bytes, flow, nowMs) : PASS;
  return () => ({ onPacket });
}

function isKnown(bytes: Buffer): boolean {
  return looksLikeHttp(bytes) || looksLikeTls(bytes) || looksLikeDns(bytes);
}

const cut = (then: 'drop' | 'reset'): Verdict => ({ act: 'at-age', ageMs: CUT_MS, then });
const CONTROL_TLS = { traffic: 'a ClientHello', first: HELLO, server: SOMEWHERE };
const CONTROL_RANDOM = { traffic: '600 random bytes', first: RANDOM, server: { ...SOMEWHERE, port: 8388 } };

function cutTls(id: string, then: 'drop' | 'reset'): Policy {
  return {
    id,
    name: `TLS is cut at 60 s, by ${then === 'drop' ? 'silence' : 'reset'} (Iran, May 2013)`,
    source: 'Psiphon and the 2013 Iranian Election; Turbo Tunnel §1',
    ours: 'reset or silence: the sources do not say',
    lastsMs: CUT_MS,
    control: CONTROL_TLS,
    createRule: onFirst((bytes) => (looksLikeTls(bytes) ? cut(then) : PASS)),
  };
}

function cutAllButHttp(id: string, then: 'drop' | 'reset'): Policy {
  return {
    id,
    name: `all but HTTP is cut at 60 s, by ${then === 'drop' ? 'silence' : 'reset'} (Iran, June 2013)`,
    source: 'Psiphon and the 2013 Iranian Election',
    ours: 'reset or silence: the sources do not say',
    lastsMs: CUT_MS,
    control: CONTROL_RANDOM,
    createRule: onFirst((bytes) => (looksLikeHttp(bytes) ? PASS : cut(then))),
  };
}

function throttle(id: string, share: number): Policy {
  const allowedRate = BASE_RATE * share;
  return {
    id,
    name: `all that goes abroad at ${Math.round(share * 100)} % of its speed (Iran, 2013)`,
    source: 'Freedom on the Net 2013; Anderson, Dimming the Internet',
    ours: 'base rate of 1 Mbit/s a user; held back and not dropped, which needs a namespace',
    allowedRate,
    control: { ...CONTROL_RANDOM, traffic: 'any connection' },
    createRule: () => ({ onOpen: () => ({ act: 'police', bytesPerSecond: allowedRate }) }),
  };
}

/** China 2021–23: sampled, then 180 s on client, server and port. */
function fullyEncrypted(id: string, variant: RuleVariant): Policy {
  const chance = 0.263;
  const residualMs = 180_000;
  return {
    id,
    name: `fully encrypted traffic, rules as in ${variant} (China, 2021–23)`,
    source: 'Wu et al., USENIX Security 2023, and artifact',
    control: CONTROL_RANDOM,
    createRule: (random) => {
      const blockedUntil = new Map<string, number>();
      const keyOf = ({ userHost, server }: Flow) => `${userHost} ${server.host} ${server.port}`;
      return {
        onOpen: (flow) => ((blockedUntil.get(keyOf(flow)) ?? 0) > flow.openedMs ? DROP : PASS),
        onPacket: (flow, { from, indexInDirection, bytes, nowMs }) => {
          if (from !== 'client' || indexInDirection > 0 || !judgeFirstPacket(bytes, variant).isFlagged) return PASS;
          if (random.fraction() >= chance) return PASS;
          blockedUntil.set(keyOf(flow), nowMs + residualMs);
          return DROP;
        },
      };
    },
  };
}

/** Russia 2025: a connection dies after so many packets, both directions counted. */
function freeze(packets: number): Policy {
  return {
    id: `C34-${packets}`,
    name: `a connection falls silent after ${packets} packets (Russian mobile networks, 2025)`,
    source: 'net4people/bbs#490; dpi-checkers',
    ours: 'packets with data only; both directions together',
    control: {
      traffic: 'a long TLS connection',
      first: Buffer.concat(Array.from({ length: packets + 5 }, () => Buffer.concat([HELLO, RANDOM, RANDOM, RANDOM]))),
      server: SOMEWHERE,
    },
    createRule: () => {
      const exempt = new WeakSet<Flow>();
      return {
        onPacket: (flow, { index, bytes }) => {
          if (index === 0 && looksLikeSsh(bytes)) exempt.add(flow);
          return index >= packets && !exempt.has(flow) ? DROP : PASS;
        },
      };
    },
  };
}

function concurrency(limit: number): Policy {
  return {
    id: `C33-${limit}`,
    name: `more than ${limit} TLS connections at once to one host stall (Russia, 2025)`,
    source: 'net4people/bbs#546; Xray-core#5332',
    control: { traffic: 'more TLS connections than that', first: HELLO, server: SOMEWHERE },
    createRule: () => {
      const open = new Map<string, number>();
      const tls = new WeakSet<Flow>();
      const keyOf = ({ userHost, server }: Flow) => `${userHost} ${server.host}`;
      return {
        onPacket: (flow, { from, indexInDirection, bytes }) => {
          if (from !== 'client' || indexInDirection > 0 || !looksLikeTls(bytes)) return PASS;
          tls.add(flow);
          const count = (open.get(keyOf(flow)) ?? 0) + 1;
          open.set(keyOf(flow), count);
          return count > limit ? DROP : PASS;
        },
        onClose: (flow) => {
          if (tls.has(flow)) open.set(keyOf(flow), (open.get(keyOf(flow)) ?? 1) - 1);
        },
      };
    },
  };
}

/** Iran 2020: two packets that look like nothing known, on three ports, and the client is silent for 60 s. */
function protocolFilter(): Policy {
  const ports = [53, 80, 443];
  return {
    id: 'C05',
    name: 'ports 53, 80 and 443 have to speak DNS, HTTP or TLS (Iran, 2020)',
    source: 'net4people/bbs#49; Bock et al. 2020',
    control: { ...CONTROL_RANDOM, server: SOMEWHERE },
    createRule: () => {
      const blockedUntil = new Map<string, number>();
      const keyOf = ({ userHost, server }: Flow) => `${userHost} ${server.host} ${server.port}`;
      return {
        onPacket: (flow, { from, indexInDirection, bytes, nowMs }) => {
          if (from !== 'client' || !ports.includes(flow.server.port)) return PASS;
          if ((blockedUntil.get(keyOf(flow)) ?? 0) > nowMs) return DROP;
          if (indexInDirection > 0 || isKnown(bytes)) return PASS;
          blockedUntil.set(keyOf(flow), nowMs + CUT_MS);
          return DROP;
        },
      };
    },
  };
}

const BLOCKED_NAME = 'blocked.example';

/** A ClientHello that asks for a name. */
function helloFor(name: string): Buffer {
  const host = Buffer.from(name);
  const sni = Buffer.concat([Buffer.of(0, 0, 0, host.length + 5, 0, host.length + 3, 0, 0, host.length), host]);
  const tail = Buffer.concat([Buffer.of(0, 0, 2, 0x13, 0x01, 1, 0, 0, sni.length), sni]);
  const body = Buffer.concat([Buffer.of(3, 3), Buffer.alloc(32, 7), tail]);
  return Buffer.concat([Buffer.of(0x16, 3, 1, 0, body.length + 4, 1, 0, 0, body.length), body]);
}

/** The policies of the board, in the catalogue's order. */
export const POLICIES: readonly Policy[] = [
  cutTls('C01-rst', 'reset'),
  cutTls('C01-drop', 'drop'),
  cutAllButHttp('C01b-rst', 'reset'),
  cutAllButHttp('C01b-drop', 'drop'),
  throttle('C02-5', 0.05),
  {
    id: 'C03',
    name: 'what does not begin with an HTTP request is dropped (Iran, June 2013)',
    source: 'Psiphon and the 2013 Iranian Election; Aryan et al., FOCI 2013',
    control: CONTROL_TLS,
    createRule: onFirst((bytes) => (looksLikeHttp(bytes) ? PASS : DROP)),
  },
  protocolFilter(),
  {
    id: 'C06',
    name: 'after six packets, nothing of an unknown protocol (Iran, 2023–25)',
    source: 'Alaraj et al. 2025',
    control: { ...CONTROL_RANDOM, first: Buffer.concat(Array.from({ length: 20 }, () => RANDOM)) },
    createRule: () => {
      const known = new WeakSet<Flow>();
      return {
        onPacket: (flow, { from, indexInDirection, index, bytes }) => {
          if (from === 'client' && indexInDirection === 0 && (isKnown(bytes) || looksLikeSsh(bytes))) known.add(flow);
          return index >= 6 && !known.has(flow) ? DROP : PASS;
        },
      };
    },
  },
  {
    id: 'C07',
    name: 'only TCP 80 and 443 cross the border (Iran, June 2025)',
    source: 'net4people/bbs#484',
    control: CONTROL_RANDOM,
    createRule: () => ({ onOpen: ({ server }) => ([80, 443].includes(server.port) ? PASS : DROP) }),
  },
  {
    id: 'C09',
    name: 'nothing crosses the border (Iran, 2019 and 2026)',
    source: 'Miaan 2025; IODA',
    hopeless: 'a blackout: no transport can pass',
    control: CONTROL_TLS,
    createRule: () => ({ onOpen: () => DROP }),
  },
  {
    id: 'C13',
    name: `a ClientHello for a blocked name is reset (China)`,
    source: 'Bock et al. 2021',
    ours: 'the list: one name',
    control: { traffic: 'a ClientHello for a blocked name', first: helloFor(BLOCKED_NAME), server: SOMEWHERE },
    createRule: onFirst((bytes) => (serverNameOf(bytes)?.endsWith(BLOCKED_NAME) ? RESET : PASS)),
  },
  {
    id: 'C18',
    name: "a published relay's address is blocked whole (China)",
    source: 'Fifield and Tsai 2016; net4people/bbs#69',
    ours: 'the first relay is known, the second is not',
    control: CONTROL_TLS,
    createRule: () => ({ onOpen: ({ server }) => (server.host === SOMEWHERE.host ? DROP : PASS) }),
  },
  {
    id: 'C21',
    name: 'every connection to port 443 is reset (China, 20 August 2025)',
    source: 'gfw.report 2025, port 443',
    control: CONTROL_TLS,
    createRule: () => ({ onOpen: ({ server }) => (server.port === 443 ? RESET : PASS) }),
  },
  {
    id: 'C24',
    name: 'SSH is dropped (Iran, June 2025)',
    source: 'Miaan 2025',
    control: { traffic: "SSH's version", first: SSH, server: { ...SOMEWHERE, port: 22 } },
    createRule: onFirst((bytes) => (looksLikeSsh(bytes) ? DROP : PASS)),
  },
  fullyEncrypted('C25-paper', 'paper'),
  fullyEncrypted('C25-artifact', 'artifact'),
  fullyEncrypted('C25-opengfw', 'opengfw'),
  concurrency(12),
  freeze(25),
];

/** Parts of the replay that are no columns of the board. */
export const PHASE_POLICIES: readonly Policy[] = [throttle('base', 1), throttle('C02-3', 0.03)];

/** A censor that does nothing: the control of the lab itself. */
export const OPEN: Policy = {
  id: 'open',
  name: 'no censor',
  source: 'control',
  control: { traffic: 'a request', first: REQUEST, server: SOMEWHERE },
  createRule: () => ({}),
};
