import { existsSync } from 'node:fs';
import { after } from 'node:test';
import type { Env } from '../../env.ts';
import { createEnv } from '../../real-env.ts';
import { transportSuite } from '../../testing/transport-suite.ts';
import { pluggable } from './pluggable.ts';
import { createPluggablePrograms } from './programs.ts';

const MEBIBYTE = 1024 * 1024;
const OBFS4 = '/usr/bin/obfs4proxy';

if (existsSync(OBFS4)) {
  const bare = createEnv({ log: () => {} });
  const programs = createPluggablePrograms(bare, {});
  const env: Env = { ...bare, programs };
  after(() => programs[Symbol.asyncDispose]());

  transportSuite('pluggable over obfs4proxy on real sockets', () => ({
    transport: pluggable,
    env,
    options: { exec: OBFS4, method: 'obfs4' },
    bulkBytes: 32 * MEBIBYTE,
    maxBufferedBytes: 96 * MEBIBYTE,
    passesGarbage: false,
    refusedCode: 'failed',
  }));
}
