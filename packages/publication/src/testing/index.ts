export { TestPublisher } from './publisher.ts';
export { dialLoopback, type Lie, startMirror, type TestMirror } from './test-mirror.ts';
