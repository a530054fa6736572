export type { Target } from '@rozan/protocol';
export { formatAddress, parseAddress, parsePort } from './address.ts';
export type { CancelTimer, Clock, Env, Log, LogEvent, ProgramDial, Programs, ProgramsOptions, Random } from './env.ts';
export { TunnelError, type TunnelErrorCode } from './errors.ts';
export { MAX_BOND_CARRIERS } from './limits.ts';
export {
  type Conn,
  type ConnExtras,
  createNetwork,
  type DatagramSocket,
  type DialOptions,
  ipVersion,
  type Listener,
  type ListenHooks,
  type LocalListener,
  type Network,
  type OnDatagram,
  type SocketAddress,
  toTunnelError,
} from './network.ts';
export { CLEAN_END, PieceDuplex } from './piece-duplex.ts';
export { type Attempt, type RaceOptions, race } from './race.ts';
export { createEnv, type EnvOptions } from './real-env.ts';
export { backoffMs, sleep } from './session/backoff.ts';
export type { Carrier, CarrierLink, CarrierLossCause } from './session/carrier.ts';
export {
  type AttachedCarrier,
  type AttachOptions,
  attachOver,
  attachThrough,
  type Forwarder,
  type RelayIdentity,
  shakeHands,
} from './session/client-handshake.ts';
export {
  ClientSession,
  type ClientSessionEvents,
  type ClientSessionOptions,
  type DialCarrier,
} from './session/client-session.ts';
export type { DatagramDrops } from './session/datagram-queue.ts';
export type { DatagramEvents, DatagramListener, SessionFlow } from './session/datagrams.ts';
export {
  AdaptivePlan,
  type CarrierPlan,
  FixedPlan,
  NO_ROTATION,
  type PlanState,
  type RotationPolicy,
} from './session/plan/carrier-plan.ts';
export { LimitFinder } from './session/plan/limit-finder.ts';
export { RelayClock } from './session/relay-clock.ts';
export { Session } from './session/session.ts';
export type { SessionEvents, SessionOptions } from './session/session-options.ts';
export type { SessionStream } from './session/session-stream.ts';
export { StreamResetError } from './session/stream-reset-error.ts';
export type { DatagramFlow, FlowListener, StreamOpener, TunnelStream } from './session/tunnel-stream.ts';
export { type SpliceOptions, type SpliceResult, splice } from './splice.ts';
export { splittingEnv } from './split-writes.ts';
export { createBrowserLoader } from './tls/browser-sockets.ts';
export {
  type CertificateOrder,
  CertificateShelf,
  type CertificateState,
  type Certificates,
} from './tls/certificates.ts';
export { dialSecure } from './tls/client.ts';
export { createChallengeIdentity, type Identity } from './tls/self-signed.ts';
export { createSigningRequest, drawKey, pemOfKey } from './tls/x509.ts';
export type {
  Transport,
  TransportDialOptions,
  TransportListenOptions,
  TransportTraits,
} from './transport.ts';
export { createPrograms, findTransport, TRANSPORTS } from './transports.ts';
export { parseUpstreamProxy, type UpstreamProxy } from './upstream/upstream-url.ts';
export { type ViaProxyOptions, viaProxy } from './upstream-proxy.ts';
