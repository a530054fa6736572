import type { ResetCode } from '@rozan/protocol';
import { RelayError } from '../data-folder/relay-error.ts';

/** Why a destination could not be reached, as the client is told in a RESET. The text names no host. */
export class EgressError extends RelayError {
  readonly resetCode: ResetCode;

  constructor(resetCode: ResetCode, options?: ErrorOptions) {
    super('egress', `the destination could not be reached: ${resetCode}`, options);
    this.resetCode = resetCode;
  }
}
