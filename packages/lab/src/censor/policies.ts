import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Policy, PolicyError, parsePolicyFile, type Settings } from './policy-file.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'policies');

/** Where policies come from. */
export interface PoliciesOptions {
  /** A folder of rule files; the lab's own catalogue unless said. */
  readonly folder?: string | undefined;
  readonly settings?: Settings | undefined;
}

/** All policies of the catalogue, in its order, each variant a policy of its own. Throws `PolicyError`. */
export function listPolicies({ folder = FOLDER, settings = {} }: PoliciesOptions = {}): Policy[] {
  const names = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name));
  const policies = names
    .sort()
    .flatMap((name) => parsePolicyFile(readFileSync(join(folder, name), 'utf8'), name, settings));
  for (const id of Object.keys(settings)) {
    const isKnown = policies.some((policy) => policy.id === id || policy.id.startsWith(`${id}-`));
    if (!isKnown) throw new PolicyError(`no policy ${id}`);
  }
  const ids = policies.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw new PolicyError(`two policies are called ${twice}`);
  return policies;
}

/** The policy of an id; of a file with variants the id alone names the first. Throws `PolicyError`. */
export function findPolicy(id: string, options: PoliciesOptions = {}): Policy {
  const policies = listPolicies(options);
  const policy = policies.find((one) => one.id === id) ?? policies.find((one) => one.id.startsWith(`${id}-`));
  if (policy === undefined)
    throw new PolicyError(`no policy ${id}; there are ${policies.map((one) => one.id).join(', ')}`);
  return policy;
}

/** Reads one rule file, in which somebody has written a censor. Throws `PolicyError`, or Node's error when it cannot be read. */
export function loadPolicyFile(path: string, settings: Settings = {}): Policy[] {
  return parsePolicyFile(readFileSync(path, 'utf8'), path, settings);
}
