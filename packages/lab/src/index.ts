export { CensorEngine, type EngineCounts, type EngineOptions } from './censor/engine.ts';
export { createMiddlebox, type Middlebox, type MiddleboxOptions, type ServerPlace } from './censor/middlebox.ts';
export { findPolicy, listPolicies, loadPolicyFile } from './censor/policies.ts';
export { type Policy, PolicyError, parsePolicyFile, parseSettings, type Settings } from './censor/policy-file.ts';
export { hitRate } from './censor/traffic.ts';
export { createDemo, type Demo, type DemoConfig } from './demo.ts';
export { createDemoSite, type DemoSite } from './demo-site.ts';
export { createScratchFolder, startClient, startRelay, type WorldRelay, type WorldRelayOptions } from './world.ts';
