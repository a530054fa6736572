import type { Transport } from '../../transport.ts';
import { dialWebSocket } from './dial.ts';
import { listenWebSocket } from './listen.ts';
import { parseWebSocketParams, type WebSocketParams } from './params.ts';
import {
  createWebSocketSettings,
  orderOfWebSocket,
  paramsOfWebSocket,
  parseWebSocketSettings,
  WEBSOCKET_OPTIONS,
  type WebSocketSettings,
} from './settings.ts';

/** A WebSocket of a web site, over TLS 1.3 or plain (docs/spec/transport-websocket.md). */
export const websocket: Transport<WebSocketParams, WebSocketSettings> = {
  name: 'websocket',
  traits: { looksLike: 'web', silentToStrangers: false },
  options: WEBSOCKET_OPTIONS,
  createSettings: createWebSocketSettings,
  parseSettings: parseWebSocketSettings,
  paramsOf: paramsOfWebSocket,
  certificateOrderOf: orderOfWebSocket,
  parseParams: parseWebSocketParams,
  dial: dialWebSocket,
  listen: listenWebSocket,
};
