// Which first packets the detector of fully encrypted traffic lets through that stood in China's way from 2021 to 2023, as three sources
// tell it:
//
//   paper     M. Wu et al., "How the Great Firewall of China Detects and Blocks Fully Encrypted Traffic", USENIX Security 2023, algorithm 1
//   artifact  the code published with it (gfw-report/usenixsecurity23-artifact)
//   engines   what network engines made of it: OpenGFW's `fet` analyzer, and nDPI's heuristic of October 2024
//
// A packet is let through when one rule at least exempts it. Bytes in, verdict out.

/** Whose reading of the rules. */
export type RuleVariant = 'paper' | 'artifact' | 'opengfw' | 'ndpi';

export const RULE_VARIANTS: readonly RuleVariant[] = ['paper', 'artifact', 'opengfw', 'ndpi'];

/** The rules, Ex1 to Ex5 of the paper. */
export type Exemption = 'popcount' | 'first-printable' | 'mostly-printable' | 'printable-run' | 'protocol';

/** What the rules measure of a packet. */
export interface PacketMeasures {
  /** Set bits per byte: 0 to 8, 4 for random bytes. */
  readonly bitsPerByte: number;
  /** Printable bytes (0x20 to 0x7e) at the beginning. */
  readonly printableAtStart: number;
  /** Share of printable bytes: 0 to 1. */
  readonly printableShare: number;
  /** The longest run of printable bytes. */
  readonly printableRun: number;
}

/** How far inside each exemption a packet is, in the rule's own unit; negative: how much it lacks. */
export interface ExemptionMargins {
  /** Set bits per byte. */
  readonly popcount: number;
  /** Bytes. */
  readonly firstPrintable: number;
  /** Share of all bytes. */
  readonly mostlyPrintable: number;
  /** Bytes. */
  readonly printableRun: number;
  /** Whether the first bytes are those of TLS or HTTP; `null`: left to the engine's other parts. */
  readonly protocol: boolean | null;
}

/** The verdict on one first packet. */
export interface FirstPacketVerdict {
  readonly variant: RuleVariant;
  /** Nothing exempts it: it counts as fully encrypted. */
  readonly isFlagged: boolean;
  readonly exemptions: readonly Exemption[];
  readonly measures: PacketMeasures;
  readonly margins: ExemptionMargins;
}

interface Rules {
  readonly leastRun: number;
  /** Whether the first bytes are those of a protocol that is let through; missing where the engine asks its other parts. */
  readonly isProtocol?: (bytes: Buffer) => boolean;
}

/** Outside these, popcount exempts. */
const FEWEST_BITS = 3.4;
const MOST_BITS = 4.6;
const PRINTABLE_AT_START = 6;
const PRINTABLE_SHARE = 0.5;

const TLS_HANDSHAKE = 0x16;
const TLS_APPLICATION_DATA = 0x17;
const TLS_MAJOR = 0x03;

function startsWithVerb(bytes: Buffer, verbs: readonly string[]): boolean {
  return verbs.some((verb) => bytes.subarray(0, verb.length).toString('latin1') === verb);
}

/** A TLS record of a handshake or of data, with a third byte up to `lastMinor`. */
function isTlsRecord(bytes: Buffer, types: readonly number[], lastMinor: number): boolean {
  const [type = 0, major = 0, minor = 0xff] = bytes;
  return types.includes(type) && major === TLS_MAJOR && minor <= lastMinor;
}

const PAPER_VERBS = ['GET ', 'PUT ', 'POST ', 'HEAD '];
const OPENGFW_VERBS = ['GET', 'HEA', 'POS', 'PUT', 'DEL', 'CON', 'OPT', 'TRA', 'PAT'];
const BOTH_TYPES = [TLS_HANDSHAKE, TLS_APPLICATION_DATA];

const RULES: Readonly<Record<RuleVariant, Rules>> = {
  paper: {
    leastRun: 21,
    isProtocol: (bytes) => isTlsRecord(bytes, BOTH_TYPES, 0x09) || startsWithVerb(bytes, PAPER_VERBS),
  },
  // The artifact's pattern takes a third byte up to 0x0f.
  artifact: {
    leastRun: 21,
    isProtocol: (bytes) => isTlsRecord(bytes, BOTH_TYPES, 0x0f) || startsWithVerb(bytes, PAPER_VERBS),
  },
  // It tests three letters of nine methods, and of TLS only handshakes of versions that exist.
  opengfw: {
    leastRun: 21,
    isProtocol: (bytes) => isTlsRecord(bytes, [TLS_HANDSHAKE], 0x03) || startsWithVerb(bytes, OPENGFW_VERBS),
  },
  // It asks this only of flows that none of its dissectors could name.
  ndpi: { leastRun: 20 },
};

const isPrintable = (byte: number): boolean => byte >= 0x20 && byte <= 0x7e;

function bitsOf(byte: number): number {
  let bits = 0;
  for (let rest = byte; rest > 0; rest >>= 1) bits += rest & 1;
  return bits;
}

/** What the rules look at. An empty packet has 0 everywhere. */
export function measurePacket(bytes: Buffer): PacketMeasures {
  let bits = 0;
  let printable = 0;
  let run = 0;
  let longestRun = 0;
  let atStart = 0;
  for (const byte of bytes) {
    bits += bitsOf(byte);
    run = isPrintable(byte) ? run + 1 : 0;
    if (run > 0) printable += 1;
    if (run === printable && run > 0) atStart = run;
    longestRun = Math.max(longestRun, run);
  }
  if (bytes.length > 0 && !isPrintable(bytes[0] ?? 0)) atStart = 0;
  const count = Math.max(1, bytes.length);
  return {
    bitsPerByte: bits / count,
    printableAtStart: atStart,
    printableShare: printable / count,
    printableRun: longestRun,
  };
}

/** Judges the first packet with payload that a client sends. */
export function judgeFirstPacket(bytes: Buffer, variant: RuleVariant): FirstPacketVerdict {
  const rules = RULES[variant];
  const measures = measurePacket(bytes);
  const margins: ExemptionMargins = {
    popcount: Math.max(FEWEST_BITS - measures.bitsPerByte, measures.bitsPerByte - MOST_BITS),
    firstPrintable: measures.printableAtStart - PRINTABLE_AT_START,
    mostlyPrintable: measures.printableShare - PRINTABLE_SHARE,
    printableRun: measures.printableRun - rules.leastRun,
    protocol: rules.isProtocol?.(bytes) ?? null,
  };
  const exemptions: Exemption[] = [];
  if (margins.popcount >= 0) exemptions.push('popcount');
  if (margins.firstPrintable >= 0) exemptions.push('first-printable');
  if (margins.mostlyPrintable > 0) exemptions.push('mostly-printable');
  if (margins.printableRun >= 0) exemptions.push('printable-run');
  if (margins.protocol === true) exemptions.push('protocol');
  return { variant, isFlagged: exemptions.length === 0, exemptions, measures, margins };
}

/** What "with margin" means here, so that a censor who reads the rules a little differently lets the packet through as well. */
export const WIDE_MARGIN = {
  /** Set bits per byte beyond the edge: outside 3.3 to 4.7. */
  popcount: 0.1,
  /** Bytes beyond six. */
  firstPrintable: 2,
  mostlyPrintable: 0.05,
  /** Printable bytes in a row, whatever the variant's edge. */
  printableRun: 24,
} as const;

/** Whether an exemption that looks at bytes, and not at a protocol's name, holds by more than a hair. */
export function passesWithMargin({ margins, measures }: FirstPacketVerdict): boolean {
  return (
    margins.popcount >= WIDE_MARGIN.popcount ||
    margins.firstPrintable >= WIDE_MARGIN.firstPrintable ||
    margins.mostlyPrintable >= WIDE_MARGIN.mostlyPrintable ||
    measures.printableRun >= WIDE_MARGIN.printableRun
  );
}
