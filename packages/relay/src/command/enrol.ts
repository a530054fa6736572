import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { createEnv } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { enrolRelay } from '../enrolment/enrol.ts';
import { ENROLMENT_BOUNDS } from '../limits/constants.ts';

/** What `relay enrol` is told. */
export interface EnrolFlags {
  readonly data: string;
  readonly control: string;
  /** A file, or - for standard input. */
  readonly token: string;
  readonly controlCa?: string;
  readonly region?: string;
  readonly again?: boolean;
}

async function read(option: string, file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `${option}: the file cannot be read`, { cause });
  });
}

async function readToken(source: string): Promise<string> {
  const text = source === '-' ? (await buffer(process.stdin)).toString('utf8') : await read('--token', source);
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token) && token.length <= ENROLMENT_BOUNDS.tokenBytes) return token;
  throw new ProgramError(EXIT_CODE.usage, '--token: there is no token in it', {
    remedy:
      'Make one with "rozan control enrolment add NAME", and put it into a file, or pipe it in and say --token -.',
  });
}

/** `relay enrol`; returns what to print. Throws a `ProgramError`, a `RelayError` or a `TunnelError`. */
export async function enrol({ data, control, token, controlCa, region, again }: EnrolFlags): Promise<string> {
  if (region !== undefined && !/^[A-Z]{2}$/.test(region)) {
    throw new ProgramError(EXIT_CODE.usage, '--region takes two capital letters, such as DE');
  }
  const { relay, channels } = await enrolRelay(createEnv({ log: () => {} }), {
    folder: data,
    url: control,
    token: await readToken(token),
    roots: controlCa === undefined ? null : await read('--control-ca', controlCa),
    region,
    isAgain: again,
  });
  const list = channels.length === 0 ? 'no channel yet' : `the channels ${channels.map(({ id }) => id).join(', ')}`;
  return `Enrolled: relay ${relay}, for ${list}. It reports when it runs: "rozan relay --data ${data}". If it runs now, restart it.`;
}
