export {
  type AttachExtension,
  type AttachReply,
  type AttachRequest,
  type AttachStatus,
  FIRST_CARRIER_ID,
  LOOKUP_ID_BYTES,
} from './attach.ts';
export { decodeBase64url, encodeBase64url } from './base64url.ts';
export { ByteQueue } from './byte-queue.ts';
export { ByteReader, MAX_VARINT, varintLength, writeVarint } from './bytes.ts';
export { CarrierLedger, type KnownPath, type LedgerBounds } from './carrier-ledger.ts';
export { ProtocolError, type ProtocolErrorCode } from './errors.ts';
export { type Channel, MAX_FLIGHT_BYTES, prepareChannel } from './first-flight.ts';
export { flightShapeOf, lessPadding, NO_PADDING, type PaddingRange } from './flight-shape.ts';
export {
  type ControlFrame,
  type DataFrame,
  type DatagramFrame,
  dataHeaderBytes,
  decodeFrames,
  encodeControlFrame,
  encodeFrame,
  type Frame,
  MAX_DATAGRAM_BYTES,
} from './frame.ts';
export { freeMemory } from './free-memory.ts';
export {
  type CarrierKeys,
  type ClientAttach,
  type ClientHandshake,
  type ClientHandshakeDone,
  type ClientHandshakeOptions,
  type ForwardAttach,
  type RandomBytes,
  startClientHandshake,
} from './handshake.ts';
export { linkSecret } from './home-tag.ts';
export { JsonFields } from './json-fields.ts';
export { KEY_BYTES, type KeyPair, keyPairOf } from './keys.ts';
export {
  idsToAdd,
  idsToRemove,
  LOOKUP_AHEAD,
  LOOKUP_BEHIND,
  LookupCounter,
  type LookupCounterState,
  type LookupEntry,
  type LookupMove,
  lookupId,
  lookupKeyOf,
} from './lookup.ts';
export { drawPaddingBytes, type PaddingBounds } from './padding.ts';
export { Reassembly } from './reassembly.ts';
export { type GrowthPool, ReceiveWindow, type WindowBounds } from './receive-window.ts';
export {
  MAX_RECORD_PLAINTEXT,
  RECORD_OVERHEAD_BYTES,
  type RecordKeys,
  RecordOpener,
  type RecordOptions,
  RecordSealer,
} from './record.ts';
export { RecordBuilder } from './record-builder.ts';
export {
  type AcceptOptions,
  type AttachAttempt,
  type ClientFlight,
  RelayHandshake,
  type RelayHandshakeDone,
  type RelayHandshakeOptions,
} from './relay-handshake.ts';
export {
  decodeReplayEntries,
  encodeReplayEntry,
  REPLAY_ENTRY_BYTES,
  REPLAY_ID_BYTES,
  type ReplayEntry,
  ReplayMemory,
  type ReplayMemoryOptions,
  type ReplayQuery,
  type ReplayVerdict,
} from './replay-memory.ts';
export { type ResetCode, resetCodeNumber, resetCodeOf } from './reset-code.ts';
export { type Piece, SendQueue } from './send-queue.ts';
export {
  type EntryTransport,
  type EntryValidity,
  entryTag,
  entryValidity,
  type ParsedServerEntry,
  parseServerEntry,
  relayId,
  type ServerEntry,
  type ServerEntryFields,
  signServerEntry,
} from './server-entry.ts';
export { formatShareLink, formatShareLinkCapitals, parseEntryText, parseShareLink } from './share-link.ts';
export { signerOf } from './signed-envelope.ts';
export { judgeTactics, judgingTimeMs, type KnownTimes, type TacticsValidity } from './tactics/known-time.ts';
export { drawRule, fittingRules, misfits, selectRule, type TacticsFacts } from './tactics/select.ts';
export {
  type AvoidedWay,
  isAvoided,
  NUMBER_SETTINGS,
  type NumberSetting,
  type TacticsSettings,
} from './tactics/settings.ts';
export {
  formatTactics,
  MAX_TACTICS_BYTES,
  parseTactics,
  readTacticsPayload,
  readUncheckedTactics,
  signTactics,
  type Tactics,
  type TacticsCondition,
  type TacticsFields,
  type TacticsRule,
} from './tactics/tactics.ts';
export {
  decodeTarget,
  encodeTarget,
  formatHostPort,
  formatIpAddress,
  parseHostPort,
  parseIpAddress,
  readTarget,
  type Target,
} from './target.ts';
