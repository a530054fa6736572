export { ByteReader, MAX_VARINT, varintLength, writeVarint } from './bytes.ts';
export { ProtocolError, type ProtocolErrorCode } from './errors.ts';
export { type ResetCode, resetCodeNumber, resetCodeOf } from './reset-code.ts';
