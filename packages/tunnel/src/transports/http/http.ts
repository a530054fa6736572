import type { Transport } from '../../transport.ts';
import { dialHttp } from './dial.ts';
import { listenHttp } from './listen.ts';
import { type HttpParams, parseHttpParams } from './params.ts';
import { createHttpSettings, HTTP_OPTIONS, type HttpSettings, paramsOfHttp, parseHttpSettings } from './settings.ts';

/** Short HTTP requests, up and down, on the port of a web site (docs/spec/transport-http.md). */
export const http: Transport<HttpParams, HttpSettings> = {
  name: 'http',
  traits: { looksLike: 'web', silentToStrangers: false, spansConnections: true },
  options: HTTP_OPTIONS,
  createSettings: createHttpSettings,
  parseSettings: parseHttpSettings,
  paramsOf: paramsOfHttp,
  parseParams: parseHttpParams,
  dial: dialHttp,
  listen: listenHttp,
};
