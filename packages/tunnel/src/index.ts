export { formatAddress, parseAddress, parsePort } from './address.ts';
export type { CancelTimer, Clock, Env, Log, LogEvent, Random } from './env.ts';
export { TunnelError, type TunnelErrorCode } from './errors.ts';
export {
  type Conn,
  type ConnExtras,
  createNetwork,
  type DialOptions,
  ipVersion,
  type Listener,
  type ListenHooks,
  type LocalListener,
  type Network,
  type SocketAddress,
  toTunnelError,
} from './network.ts';
export { createEnv, type EnvOptions } from './real-env.ts';
export { StreamResetError } from './session/stream-reset-error.ts';
export type { StreamOpener, Target, TunnelStream } from './session/tunnel-stream.ts';
export type {
  Transport,
  TransportDialOptions,
  TransportListener,
  TransportListenOptions,
  TransportTraits,
} from './transport.ts';
export { findTransport, TRANSPORTS } from './transports.ts';
