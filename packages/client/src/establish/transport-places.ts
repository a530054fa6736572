import type { TacticsSettings } from '@rozan/protocol';
import type { Random } from '@rozan/tunnel';

/**
 * In which order the transports of one relay come: drawn by the weights that tactics give them, for each relay anew, so that the clients of a
 * network, and the attempts of one client, are spread over transports as the weights say. Without weights all are equal.
 */
export class TransportPlaces {
  readonly #random: Random;
  readonly #names: readonly string[];
  #weights: TacticsSettings['transportWeights'];
  #places: ReadonlyMap<string, number> = new Map();

  constructor(random: Random, names: readonly string[]) {
    this.#random = random;
    this.#names = names;
  }

  /** The place of a transport: the lowest comes first. It stays the same for as long as the weights do. */
  placeOf(name: string, { transportWeights }: TacticsSettings): number {
    if (transportWeights !== this.#weights) {
      this.#weights = transportWeights;
      this.#places = transportWeights === undefined ? new Map() : this.#draw(transportWeights);
    }
    return this.#places.get(name) ?? 0;
  }

  /** Times of as many clocks that each strike at a random moment, the heavier the sooner: each is the first as often as its weight says. */
  #draw(weights: { readonly [transport: string]: number }): ReadonlyMap<string, number> {
    const weightOf = (name: string) => (Object.hasOwn(weights, name) ? (weights[name] ?? 1) : 1);
    return new Map(this.#names.map((name) => [name, -Math.log(1 - this.#random.fraction()) / weightOf(name)]));
  }
}
