export { type BrandClient, createBrandClient } from './brand/brand-client.ts';
export { findBrand, startWithBrand } from './brand/run-brand.ts';
export { type Client, type ClientConfig, createClient } from './client.ts';
export { ClientFolder } from './data-folder.ts';
export { describe } from './describe.ts';
export { LocalProxyError } from './local-proxy/local-proxy-error.ts';
export { addressText } from './run-client.ts';
