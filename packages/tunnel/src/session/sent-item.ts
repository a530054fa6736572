import type { ControlFrame, Piece } from '@rozan/protocol';
import type { SessionStream } from './session-stream.ts';

/** What a record carried, kept until the record is acknowledged and sent again if its carrier is lost. */
export type SentItem =
  | { readonly stream: SessionStream; readonly piece: Piece }
  | { readonly stream: null; readonly frame: ControlFrame };
