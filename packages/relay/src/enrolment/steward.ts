import type { ServerEntry } from '@rozan/protocol';
import type { CancelTimer, Env } from '@rozan/tunnel';
import type { RelayChannel } from '../data-folder/relay-config.ts';
import { RelayError } from '../data-folder/relay-error.ts';
import { ENROLMENT_BOUNDS } from '../limits/constants.ts';
import type { MetricsSource } from '../metrics/metrics-server.ts';
import type { RelayStatus } from '../relay-core.ts';
import { type KnownRequest, RelayCredential } from './credential.ts';
import { type Enrolment, keepSettings } from './enrolment-file.ts';
import { cpuShare, makeReport, readCpuTimes } from './report.ts';
import { channelsAt, type RelaySettings } from './settings.ts';

/** What of a running relay follows the control plane. */
export interface StewardedRelay {
  readonly metrics: MetricsSource;
  status(): RelayStatus | Promise<RelayStatus>;
  drain(): void;
  undrain(): void;
  setChannels(channels: readonly RelayChannel[]): void;
  setSiblings(entries: readonly ServerEntry[]): void;
}

/** What a steward needs. */
export interface StewardOptions {
  readonly relay: StewardedRelay;
  /** The relay's folder. */
  readonly folder: string;
  readonly enrolment: Enrolment;
  /** By which the relay runs already. */
  readonly settings: RelaySettings;
  readonly programVersion: string;
  /** The longest time between two reports, in ms, if it is to be another than usual. */
  readonly reportMs?: number | undefined;
}

/**
 * Reports to the control plane about once a minute, and has the relay be what that tells it to. Whatever becomes of the control plane, the relay goes on as
 * it was told last.
 */
export class Steward implements AsyncDisposable {
  readonly #env: Env;
  readonly #options: StewardOptions;
  readonly #over = new AbortController();
  readonly #startedMs: number;
  readonly #credential: RelayCredential;
  #settings: RelaySettings;
  #secrets: string;
  #cpu = readCpuTimes();
  #failures = 0;
  #cancelTimer: CancelTimer = () => {};
  #running: Promise<void> = Promise.resolve();

  /** Begins with a report, unless the relay is retired. It never throws: the control plane may be away for days. */
  constructor(env: Env, options: StewardOptions) {
    this.#env = env;
    this.#options = options;
    this.#credential = new RelayCredential(env, options);
    this.#settings = options.settings;
    this.#secrets = secretsOf(channelsAt(options.settings, env.clock.wallMs()));
    this.#startedMs = env.clock.monotonicMs();
    if (this.#isRetired()) this.#tellEnd();
    else this.#round();
  }

  #isRetired(): boolean {
    return this.#settings.state === 'retired';
  }

  /** Nothing comes after that: there is nobody to report to any more. */
  #tellEnd(): void {
    this.#env.log({ event: 'relay.retired' });
  }

  #round(): void {
    this.#running = this.#report().catch((error: unknown) => this.#tell(error));
    void this.#running.then(() => {
      if (this.#over.signal.aborted || this.#isRetired()) return;
      this.#cancelTimer = this.#env.clock.setTimer(this.#waitMs(), () => this.#round());
    });
  }

  /** No beat by which relays could be recognised on the way to the control plane. */
  #waitMs(): number {
    const { random } = this.#env;
    const [least, most] = ENROLMENT_BOUNDS.reportMs;
    const { reportMs = most } = this.#options;
    const usualMs = (reportMs / most) * (least + random.fraction() * (most - least));
    if (this.#failures === 0) return usualMs;
    const [leastRetry, mostRetry] = ENROLMENT_BOUNDS.retryMs;
    const retryMs = Math.min(mostRetry, leastRetry * 2 ** (this.#failures - 1)) * (0.5 + 0.5 * random.fraction());
    return Math.min(usualMs, retryMs);
  }

  async #report(): Promise<void> {
    const { relay, programVersion } = this.#options;
    this.#endSecrets();
    const before = this.#cpu;
    this.#cpu = readCpuTimes();
    const body = await makeReport(
      { metrics: relay.metrics, status: await relay.status() },
      {
        settingsVersion: this.#settings.version,
        programVersion,
        uptimeSeconds: (this.#env.clock.monotonicMs() - this.#startedMs) / 1000,
        cpuShare: cpuShare(before, this.#cpu),
      },
    );
    const reply = await this.#ask({ method: 'POST', path: '/relays/report', body });
    if (Object(reply).settingsVersion !== this.#settings.version) await this.#follow();
    // Not before: settings that cannot be read would be asked for without a pause.
    if (this.#failures > 0) this.#env.log({ event: 'control.reached' });
    this.#failures = 0;
    if (this.#isRetired()) this.#tellEnd();
    else await this.#credential.renewIfDue(this.#over.signal);
  }

  #ask(request: Omit<KnownRequest, 'signal'>): Promise<unknown> {
    return this.#credential.ask({ ...request, signal: this.#over.signal });
  }

  /** Gets the settings, keeps them, and has the relay be so. */
  async #follow(): Promise<void> {
    const { folder, relay } = this.#options;
    const before = this.#settings;
    this.#settings = await keepSettings(folder, await this.#ask({ method: 'GET', path: '/relays/self/settings' }));
    const { version, state, isDraining, siblings } = this.#settings;
    this.#endSecrets();
    relay.setSiblings(siblings);
    if (isDraining !== before.isDraining) {
      if (isDraining) relay.drain();
      else relay.undrain();
    }
    this.#env.log({ event: 'settings.changed', version, state, isDraining });
  }

  /** Former secrets end at their time, whether the control plane answers or not. */
  #endSecrets(): void {
    const channels = channelsAt(this.#settings, this.#env.clock.wallMs());
    const secrets = secretsOf(channels);
    if (secrets === this.#secrets) return;
    this.#secrets = secrets;
    this.#options.relay.setChannels(channels);
  }

  #tell(error: unknown): void {
    if (this.#over.signal.aborted) return;
    this.#failures += 1;
    // Once, and not with each attempt.
    if (this.#failures === 1) {
      this.#env.log({ event: 'control.unreachable', code: error instanceof RelayError ? error.code : 'failed' });
    }
  }

  /** Ends after what is being said. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new Error('the relay ends'));
    this.#cancelTimer();
    await this.#running;
    this.#cancelTimer();
  }
}

function secretsOf(channels: readonly RelayChannel[]): string {
  return channels.map(({ id, accessSecret }) => `${id} ${accessSecret.toString('hex')}`).join('\n');
}
