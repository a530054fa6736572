import { LocalProxyError } from '@rozan/client';
import { RelayError } from '@rozan/relay';
import { FolderError } from '@rozan/tunnel/data-folder';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';

/** Turns what a person can mend into a `ProgramError`. */
export async function guardDemo<T>(start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (cause) {
    if (cause instanceof LocalProxyError) throw new ProgramError(EXIT_CODE.cannotListen, cause.message, { cause });
    if (cause instanceof RelayError || cause instanceof FolderError) {
      throw new ProgramError(EXIT_CODE.dataFolder, cause.message, { cause, remedy: cause.remedy });
    }
    throw cause;
  }
}
