// An upstream proxy in a thread of its own, so that a test which counts what it has left open does not count the proxy's connections.
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { createEnv } from '../../../real-env.ts';
import { type SmallProxyOptions, startSmallProxy } from '../../../upstream/testing/small-proxy.ts';

const options: SmallProxyOptions = workerData;
const { network } = createEnv({ log: () => {} });
const proxy = await startSmallProxy(network, options);
assert.ok(parentPort);
parentPort.postMessage(proxy.address);
