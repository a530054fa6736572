// What a rule file may say. docs/lab.md teaches it; this is what holds it.
import { z } from 'zod';
import { parseAddressSet } from './address-set.ts';

/** A number, or from one to another, both inclusive. */
const range = z.union([
  z.number().transform((exactly) => ({ from: exactly, to: exactly })),
  z.strictObject({ from: z.number().optional(), to: z.number().optional() }),
]);
/** Whether something can be made of a text, without throwing. */
function isMakeable(make: (text: string) => unknown): (text: string) => boolean {
  return (text) => {
    try {
      make(text);
      return true;
    } catch {
      return false;
    }
  };
}

const prefix = z.string().refine(
  isMakeable((text) => parseAddressSet([text])),
  'not an address or prefix',
);
const prefixes = z.union([prefix, z.array(prefix)]).transform((one) => [one].flat());
const list = z.union([z.string(), z.array(z.string())]).transform((one) => [one].flat());
const numbers = z.union([z.number(), z.array(z.number())]).transform((one) => [one].flat());
const ways = z.enum(['up', 'down', 'both']);
const ends = z.enum(['client', 'server', 'both']);
const scope = z.enum(['server', 'server-port', 'client', 'client-server', '3-tuple', '4-tuple']);
const share = z.number().min(0).max(1);

const protocolName = z.enum(['tls', 'http', 'ssh', 'dns', 'openvpn', 'wireguard', 'quic', 'dtls', 'stun']);
const protocol = z.union([protocolName, z.array(protocolName)]).transform((one) => [one].flat());
const sum = z.strictObject({ up: range.optional(), down: range.optional(), total: range.optional() });

/** How the payload of a packet is; `packet` counts from 1. */
const payload = z.strictObject({
  hex: z
    .string()
    .regex(/^(?:[0-9a-f]{2}\s*)+$/i, 'bytes in hexadecimal')
    .optional(),
  text: z.string().optional(),
  regex: z
    .string()
    .refine(
      isMakeable((text) => new RegExp(text, 's')),
      'not a regular expression',
    )
    .optional(),
  printable: z.number().int().positive().optional(),
  length: range.optional(),
  packet: z.number().int().positive().default(1),
});

const clientHello = z.strictObject({
  sni: list.optional(),
  match: z.enum(['suffix', 'substring', 'exact']).default('suffix'),
  extension: numbers.optional(),
  ja3: list.optional(),
  ja4: list.optional(),
  reassemble: z.boolean().default(true),
});

const leaves = {
  transport: z.enum(['tcp', 'udp']).optional(),
  direction: z.enum(['up', 'down']).optional(),
  server: prefixes.optional(),
  client: prefixes.optional(),
  port: numbers.optional(),
  sourcePort: z.enum(['above', 'not-above']).optional(),
  protocol: protocol.optional(),
  within: z.number().int().positive().optional(),
  first: payload.optional(),
  answer: payload.optional(),
  tls: clientHello.optional(),
  http: z
    .strictObject({ host: list.optional(), method: list.optional(), reassemble: z.boolean().default(true) })
    .optional(),
  dns: z.strictObject({ name: list.optional() }).optional(),
  quic: clientHello.extend({ version: numbers.optional() }).optional(),
  dtls: z
    .strictObject({ message: z.enum(['client-hello', 'server-hello', 'hello-verify']), extension: numbers.optional() })
    .optional(),
  fullyEncrypted: z.enum(['paper', 'artifact', 'opengfw', 'ndpi']).optional(),
  tlsInTls: z.enum(['ndpi', 'ndpi-tls', 'opengfw', 'opengfw-start']).optional(),
  entropy: range.optional(),
  sizes: z.strictObject({ from: z.enum(['client', 'server']), length: range, count: range }).optional(),
  age: range.optional(),
  bytes: sum.optional(),
  packets: sum.optional(),
  symmetry: range.optional(),
  concurrent: z.strictObject({ flows: range, per: scope }).optional(),
  tally: z.strictObject({ name: z.string(), count: range, per: scope }).optional(),
  hour: z.strictObject({ from: z.number().min(0).max(24), to: z.number().min(0).max(24) }).optional(),
};

/** What a rule asks of a flow: all that it says has to hold. */
export interface Condition extends z.output<z.ZodObject<typeof leaves>> {
  readonly all?: readonly Condition[] | undefined;
  readonly any?: readonly Condition[] | undefined;
  readonly not?: Condition | undefined;
}

const condition: z.ZodType<Condition> = z.strictObject({
  ...leaves,
  all: z.lazy(() => z.array(condition).min(1)).optional(),
  any: z.lazy(() => z.array(condition).min(1)).optional(),
  not: z.lazy(() => condition).optional(),
});

const forge = z.strictObject({
  http: z.number().int().min(200).max(599).optional(),
  dns: z.ipv4().optional(),
  afterwards: z.enum(['drop', 'pass', 'reset']).default('drop'),
});

const action = z
  .strictObject({
    drop: ways.optional(),
    reset: ends.optional(),
    police: z
      .strictObject({
        bytesPerSecond: z.number().positive(),
        burstBytes: z.number().positive().optional(),
        per: z.union([z.literal('flow'), scope]).default('flow'),
        direction: ways.default('both'),
      })
      .optional(),
    delay: z.strictObject({ ms: z.number().positive(), direction: ways.default('both') }).optional(),
    lose: z.strictObject({ share, direction: ways.default('both') }).optional(),
    forge: forge.optional(),
    tally: z.strictObject({ name: z.string(), per: scope }).optional(),
    block: z
      .strictObject({
        per: scope,
        seconds: z.number().positive(),
        direction: ways.default('both'),
        how: z.enum(['drop', 'reset']).default('drop'),
        renew: z.enum(['no', 'on-use', 'on-repeat', 'on-offence']).default('no'),
      })
      .optional(),
    probe: z
      .strictObject({ battery: z.enum(['replay', 'protocols']), per: scope, seconds: z.number().positive() })
      .optional(),
  })
  .refine((actions) => Object.keys(actions).length > 0, 'says what to do with what it finds');

const rule = z.strictObject({
  name: z.string(),
  when: condition,
  /** Drawn once a flow. */
  chance: share.optional(),
  do: action,
});

/** Traffic that a rule has to find, or to let pass: see traffic.ts. */
const traffic = z.strictObject({
  traffic: z.string(),
  name: z.string().optional(),
  server: z.string().optional(),
  port: z.number().int().optional(),
  sourcePort: z.number().int().optional(),
  packets: z.number().int().positive().optional(),
  bytes: z.number().int().positive().optional(),
  seconds: z.number().positive().optional(),
  flows: z.number().int().positive().optional(),
  hour: z.number().min(0).max(24).optional(),
});

const setting = z.json();
const marked = z.strictObject({ value: setting, ours: z.union([z.literal(true), z.string()]) });

/** A rule file, before parameters are put in their places. */
export const fileSchema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]*$/, 'letters, digits and hyphens'),
  name: z.string(),
  country: list,
  dates: z.string(),
  source: z.array(z.strictObject({ ref: z.string(), certainty: z.enum(['P', 'A', 'S', 'M', 'K', 'I']) })).min(1),
  ours: list.default([]),
  parameters: z.record(z.string(), z.union([marked, setting])).default({}),
  needs: z.enum(['bytes', 'packets']).default('bytes'),
  hopeless: z.string().optional(),
  rules: z.array(z.unknown()).min(1),
  hits: z.array(z.unknown()).min(1),
  spares: z.array(z.unknown()).default([]),
  variants: z
    .array(z.strictObject({ id: z.string(), name: z.string(), set: z.record(z.string(), setting) }))
    .default([]),
});

/** The parts of a file that hold parameters, once these are in their places. */
export const bodySchema = z.strictObject({
  rules: z.array(rule).min(1),
  hits: z.array(traffic).min(1),
  spares: z.array(traffic),
});

/** How the payload of a packet is to begin. */
export type PayloadPattern = z.output<typeof payload>;
/** What a ClientHello is to have. */
export type HelloPattern = z.output<typeof clientHello>;
/** From one number to another. */
export type Range = z.output<typeof range>;
/** The name of a protocol that can be recognised. */
export type ProtocolName = z.output<typeof protocolName>;
/** A rule with its parameters in their places. */
export type Rule = z.output<typeof rule>;
/** What a rule does. */
export type Action = z.output<typeof action>;
/** A description of traffic, for controls. */
export type Traffic = z.output<typeof traffic>;
/** A value of a parameter that is ours and no source's, with the reason. */
export type Marked = z.output<typeof marked>;
/** A value of a parameter. */
export type Setting = z.output<typeof setting>;
