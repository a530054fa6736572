import { IntlMessageFormat } from 'intl-messageformat';
import english from '../messages/en.json';
import { directionOf, formatBytes, formatRegion, type Language } from './language.ts';

export type MessageKey = keyof typeof english;
type Messages = Readonly<Record<MessageKey, string>>;
type Values = Readonly<Record<string, string | number>>;

/** Each language is a file of its own, so that a page loads only the one it shows. */
const LOADERS: Readonly<Record<Language, () => Promise<{ default: Messages }>>> = {
  en: async () => ({ default: english }),
  fa: () => import('../messages/fa.json'),
  ar: () => import('../messages/ar.json'),
  zh: () => import('../messages/zh.json'),
  ru: () => import('../messages/ru.json'),
};
const LOCALES: Readonly<Record<Language, string>> = { en: 'en', fa: 'fa', ar: 'ar', zh: 'zh-Hans', ru: 'ru' };

/** The language that is shown, and what is said in it. Messages have the form of ICU. */
class I18n {
  language = $state<Language>('en');
  #messages = $state.raw<Messages>(english);
  /** Each message is parsed once: the home page says some of them several times a second. */
  readonly #formats = new Map<string, IntlMessageFormat>();
  readonly locale = $derived(LOCALES[this.language]);

  async use(language: Language): Promise<void> {
    this.#messages = (await LOADERS[language]()).default;
    this.#formats.clear();
    this.language = language;
    document.documentElement.lang = this.locale;
    document.documentElement.dir = directionOf(language);
  }

  text = (key: MessageKey, values?: Values): string => {
    const message = this.#messages[key];
    let format = this.#formats.get(message);
    if (format === undefined) {
      format = new IntlMessageFormat(message, this.locale);
      this.#formats.set(message, format);
    }
    return String(format.format(values));
  };

  bytes = (value: number): string => formatBytes(this.locale, value);
  rate = (value: number): string => formatBytes(this.locale, value, { isRate: true });
  region = (region: string): string => formatRegion(this.locale, region);
  time = (ms: number): string => new Intl.DateTimeFormat(this.locale, { timeStyle: 'short' }).format(ms);
}

export const i18n = new I18n();
export const { text } = i18n;
