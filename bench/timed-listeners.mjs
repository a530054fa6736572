/** The listeners whose strangers get a site; with the prefix ssh the server says nothing to what a client's message looks like. */
export const TIMED_LISTENERS = [
  { name: 'websocket', transport: 'websocket', options: { tls: 'none' }, isSecure: false },
  { name: 'websocket over TLS', transport: 'websocket', options: { tls: 'self' }, isSecure: true },
  { name: 'http', transport: 'http', options: {}, isSecure: false },
  { name: 'http over TLS', transport: 'http', options: { tls: 'self' }, isSecure: true },
  { name: 'opaque, prefix http', transport: 'opaque', options: { prefix: 'http' }, isSecure: false },
  { name: 'opaque, prefix tls', transport: 'opaque', options: { prefix: 'tls' }, isSecure: true },
];
