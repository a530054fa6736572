export { type Client, type ClientConfig, createClient } from './client.ts';
export { describe } from './describe.ts';
export { LocalProxyError } from './local-proxy/local-proxy-error.ts';
export { addressText } from './run-client.ts';
