/** The languages of the app, each by its own name. */
export const LANGUAGES = { en: 'English', fa: 'فارسی', ar: 'العربية', zh: '简体中文', ru: 'Русский' } as const;
export type Language = keyof typeof LANGUAGES;

const RIGHT_TO_LEFT: ReadonlySet<Language> = new Set(['fa', 'ar']);

/** The language of a tag such as `zh-CN`, if it is one of ours. */
function languageOf(tag: string): Language | null {
  const [name = ''] = tag.toLowerCase().split('-');
  return Object.hasOwn(LANGUAGES, name) ? (name as Language) : null;
}

/** The first that is one of ours: what the address says, what was chosen in the settings, and what the browser prefers. */
export function chooseLanguage(tags: readonly (string | null | undefined)[]): Language {
  for (const tag of tags) {
    const language = languageOf(tag ?? '');
    if (language !== null) return language;
  }
  return 'en';
}

export function directionOf(language: Language): 'ltr' | 'rtl' {
  return RIGHT_TO_LEFT.has(language) ? 'rtl' : 'ltr';
}

const SIZES = ['kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** A count of bytes as its language writes it, such as `1.4 MB`, and never less than kilobytes; with `isRate`, as bytes a second. */
export function formatBytes(locale: string, bytes: number, { isRate = false } = {}): string {
  const power = Math.min(SIZES.length, Math.max(1, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  const unit = SIZES[power - 1] ?? 'kilobyte';
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: isRate ? `${unit}-per-second` : unit,
    // Persian has no short forms of its own for these.
    unitDisplay: locale === 'fa' ? 'long' : 'short',
    maximumFractionDigits: value < 10 ? 1 : 0,
  }).format(value);
}

/** A country as its language calls it. */
export function formatRegion(locale: string, region: string): string {
  return new Intl.DisplayNames([locale], { type: 'region' }).of(region) ?? region;
}
