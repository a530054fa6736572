/** What the programs return to the shell (docs/spec/command-line.md). */
export const EXIT_CODE = {
  fine: 0,
  failure: 1,
  usage: 2,
  cannotListen: 3,
  dataFolder: 4,
} as const;

/** A failure that a person can do something about; ends a program with a message and an exit code. */
export class ProgramError extends Error {
  readonly exitCode: number;
  readonly remedy: string | null;

  constructor(exitCode: number, message: string, options?: ErrorOptions & { readonly remedy?: string | null }) {
    super(message, options);
    this.name = 'ProgramError';
    this.exitCode = exitCode;
    this.remedy = options?.remedy ?? null;
  }
}
