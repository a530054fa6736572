export type { CancelTimer, Clock, Env, Log, LogEvent, Random } from './env.ts';
export { TunnelError, type TunnelErrorCode } from './errors.ts';
export type { Conn, ConnExtras, DialOptions, Listener, Network, SocketAddress } from './network.ts';
export { StreamResetError } from './session/stream-reset-error.ts';
export type { StreamOpener, Target, TunnelStream } from './session/tunnel-stream.ts';
export type { Transport, TransportDialOptions, TransportListener, TransportListenOptions, TransportTraits } from './transport.ts';
