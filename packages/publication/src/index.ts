export { type Brand, formatBrand, homeOf, parseBrand } from './brand/brand.ts';
export { PublicationError, type PublicationErrorCode } from './errors.ts';
export {
  type FetchedList,
  type FetchedTarget,
  Fetcher,
  type FetcherOptions,
  type RefreshOutcome,
} from './fetch/fetcher.ts';
export type { ClockState, Freshness, Validity } from './fetch/freshness.ts';
export type { MirrorDial, MirrorPlace } from './fetch/mirror-connection.ts';
export { createMirrorDial, type MirrorDialOptions } from './fetch/mirror-dial.ts';
export type { MirrorOptions } from './fetch/mirrors.ts';
export { createKeyFile, isSealedKeyFile, type NewKeyOptions, readKeyFile, readPublicKey } from './key-file.ts';
export { type PublicKey, publicKeyOf, type SigningKey, signingKeyOf } from './keys.ts';
export { type Bucket, bucketOf } from './lists/bucket.ts';
export { type CopyReport, copyPublication } from './make/copy.ts';
export type { EntryList, NetworkContent } from './make/network-part.ts';
export { acceptSigned, type Waiting } from './make/pending.ts';
export {
  draftFiles,
  draftFirst,
  draftKeyChange,
  draftPartner,
  draftRenewal,
  type KeyChange,
  type RoleKeys,
  type SignedFile,
  type Workshop,
} from './make/propose.ts';
export { type PublishOptions, type PublishReport, publish } from './make/publish.ts';
export { addSignature } from './metadata.ts';
export { beginPublication, type OfflineKeys } from './program/begin-publication.ts';
export { type FolderReport, type PublishFolderOptions, publishFolder } from './program/publish-folder.ts';
export { StateFolder } from './program/state-folder.ts';
export { createFolderStorage } from './storage/folder-storage.ts';
export { createMemoryStorage } from './storage/memory-storage.ts';
export type { Storage, StoredFile } from './storage/storage.ts';
