import type { BypassRules } from './bypass-rules.ts';
import { domesticNames } from './domestic-names.ts';
import { openGeoIp } from './geo-ip.ts';

/** Whether domestic places are reached directly, and which those are. */
export class BypassSwitch {
  readonly #ownNames: readonly string[];
  readonly #open: typeof openGeoIp;
  #countryOf: BypassRules['countryOf'] | null = null;
  #rules: BypassRules | null = null;
  /** The country that was wanted last; null for none. */
  #wanted: string | null = null;

  /** `ownNames`: those of the person's own list. */
  constructor(ownNames: readonly string[], open: typeof openGeoIp = openGeoIp) {
    this.#ownNames = ownNames;
    this.#open = open;
  }

  /** Null while everything goes through the tunnel. */
  get rules(): BypassRules | null {
    return this.#rules;
  }

  /** Without a country there is nothing that is domestic. The database is opened the first time that it is needed. */
  async set({ isOn, country }: { readonly isOn: boolean; readonly country: string | null }): Promise<void> {
    const wanted = isOn ? country : null;
    this.#wanted = wanted;
    if (this.#rules?.country === wanted) return;
    this.#rules = null;
    if (wanted === null) return;
    this.#countryOf ??= await this.#open();
    // It was turned off, or the country is another one, while the database was opened.
    if (this.#wanted !== wanted) return;
    const names = new Set([...domesticNames(wanted), ...this.#ownNames]);
    this.#rules = { country: wanted, names, countryOf: this.#countryOf };
  }
}
