export { createDemo, type Demo, type DemoConfig } from './demo.ts';
export { createDemoSite, type DemoSite } from './demo-site.ts';
export { createScratchFolder, startClient, startRelay, type WorldRelay, type WorldRelayOptions } from './world.ts';
