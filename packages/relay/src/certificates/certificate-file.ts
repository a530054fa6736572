import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Identity } from '@rozan/tunnel';
import { readPrivateFile, writeFileAtomically } from '@rozan/tunnel/data-folder';
import { CERTIFICATE_BOUNDS } from '../limits/constants.ts';

/** An order that is under way. */
export interface PendingOrder {
  readonly url: string;
  /** The private key that the certificate will belong to, in PEM. */
  readonly key: string;
}

/** What is kept for one name. */
export interface CertificateRecord {
  /** The directory that all else is about; what another directory gave is of use for its certificate alone. */
  readonly directory: string;
  /** The account's private key in PEM, and its URL once the authority has named it. */
  readonly account: { readonly key: string; readonly url: string | null } | null;
  readonly order: PendingOrder | null;
  /** The latest certificate. */
  readonly identity: Identity | null;
}

/** The file of one name: its letters are those of host names. */
function certificatePath(folder: string, name: string): string {
  return join(folder, `certificate-${name}.json`);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** Reads it. What is broken counts as not there: an authority gives another certificate, and the old one may still be in another place. */
export function parseCertificateRecord(bytes: Buffer, directory: string): CertificateRecord {
  const fields = fieldsOf(parseJson(bytes));
  const [account, order, identity] = [fieldsOf(fields.account), fieldsOf(fields.order), fieldsOf(fields.identity)];
  const [accountKey, orderUrl, orderKey] = [textOf(account.key), textOf(order.url), textOf(order.key)];
  const [key, certificate] = [textOf(identity.key), textOf(identity.certificate)];
  const isSame = fields.directory === directory;
  return {
    directory,
    account: isSame && accountKey !== null ? { key: accountKey, url: textOf(account.url) } : null,
    order: isSame && orderUrl !== null && orderKey !== null ? { url: orderUrl, key: orderKey } : null,
    identity: key !== null && certificate !== null ? { key, certificate } : null,
  };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}

/** Where records are kept, and roots. */
export interface CertificateStore {
  /** What is kept for a name; empty where nothing is. Rejects with a `RelayError` (`folder-not-private`, `folder-broken`). */
  read(name: string, directory: string): Promise<CertificateRecord>;
  /** Replaces it as a whole; it is on disk when this resolves. */
  write(name: string, record: CertificateRecord): Promise<void>;
  /** The authorities in a PEM file. Rejects with an error of Node. */
  readRoot(path: string): Promise<string>;
}

/** Keeps them in a relay's folder, a file for each name. */
export function openCertificateStore(folder: string): CertificateStore {
  return {
    read: async (name, directory) => {
      const path = certificatePath(folder, name);
      // What a killed writer has left.
      await rm(`${path}.tmp`, { force: true });
      const bytes = await readPrivateFile(path, CERTIFICATE_BOUNDS.fileBytes);
      return parseCertificateRecord(bytes ?? Buffer.alloc(0), directory);
    },
    readRoot: (path) => readFile(path, 'utf8'),
    write: (name, record) => writeFileAtomically(certificatePath(folder, name), `${JSON.stringify(record)}\n`),
  };
}
