import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Reader } from 'mmdb-lib';
import { isPublic } from '../establish/name-resolver.ts';

/** Public domain (CC0), from the registries and routing tables; for IPv4 and IPv6. */
const DATABASE = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb';

/** Opens the database of countries that comes with the client. Asks nobody anything. */
export async function openGeoIp(): Promise<(address: string) => string | null> {
  const path = createRequire(import.meta.url).resolve(DATABASE);
  // The reader's own types know the databases of one maker only.
  const reader = new Reader<never>(await readFile(path));
  return (address) => {
    // Registries list who has been told to look after these, too.
    if (!isPublic(address)) return null;
    const found: unknown = reader.get(address);
    const isCountry = typeof found === 'object' && found !== null && 'country_code' in found;
    return isCountry ? String(found.country_code) : null;
  };
}
