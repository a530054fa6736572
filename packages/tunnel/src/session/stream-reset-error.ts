import type { ResetCode } from '@rozan/protocol';
import { TunnelError } from '../errors.ts';

/** A stream was reset by the peer or by the loss of its session. */
export class StreamResetError extends TunnelError {
  readonly resetCode: ResetCode;

  constructor(resetCode: ResetCode) {
    super('stream-reset', `the stream was reset: ${resetCode}`);
    this.resetCode = resetCode;
  }
}
