export { FolderError, type FolderErrorCode } from './folder-error.ts';
export { type FolderLock, lockFolder } from './folder-lock.ts';
export {
  createPrivateFolder,
  expectPrivate,
  isMissing,
  readPrivateFile,
  syncFolder,
  writeFileAtomically,
} from './private-files.ts';
