export { type BrandClient, createBrandClient } from './brand/brand-client.ts';
export { findBrand, startWithBrand } from './brand/run-brand.ts';
export { type Client, type ClientConfig, createClient } from './client.ts';
export { ClientFolder } from './data-folder.ts';
export { describe } from './describe.ts';
export { brandSource } from './local-api/entry-source.ts';
export { EventTap, openAppParts, startApp } from './local-api/run-app.ts';
export { LocalProxyError } from './local-proxy/local-proxy-error.ts';
export { addressText } from './run-client.ts';
