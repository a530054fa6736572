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

/** ISO 3166-1, without the uninhabited. */
const COUNTRIES =
  'AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW';

/** All countries by their names in a language, in its order. */
export function listCountries(locale: string): readonly (readonly [code: string, name: string])[] {
  const { compare } = new Intl.Collator(locale);
  const named = COUNTRIES.split(' ').map((code) => [code, formatRegion(locale, code)] as const);
  return named.sort(([, a], [, b]) => compare(a, b));
}

/** A country as its language calls it. */
export function formatRegion(locale: string, region: string): string {
  return new Intl.DisplayNames([locale], { type: 'region' }).of(region) ?? region;
}
