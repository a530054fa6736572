/**
 * Names that belong to a country beside those under its top-level domain. Short on purpose: a name that is missing here goes through the tunnel,
 * which costs speed; one that is here by mistake is told to the network. Only large services that are run inside of the country.
 */
const EXTRA_NAMES: Readonly<Record<string, readonly string[]>> = {
  IR: [
    'xn--mgba3a4f16a',
    'aparat.com',
    'bale.ai',
    'cafebazaar.cloud',
    'digikala.com',
    'eitaa.com',
    'filimo.com',
    'torob.com',
    'varzesh3.com',
  ],
  CN: [
    ...[
      'xn--fiqs8s',
      'xn--fiqz9s',
      '163.com',
      'alipay.com',
      'baidu.com',
      'bilibili.com',
      'douyin.com',
      'iqiyi.com',
      'jd.com',
    ],
    ...[
      'qq.com',
      'sina.com',
      'sohu.com',
      'taobao.com',
      'tmall.com',
      'weibo.com',
      'weixin.com',
      'xiaohongshu.com',
      'youku.com',
      'zhihu.com',
    ],
  ],
  RU: ['xn--p1ai', 'su', 'avito.st', 'mycdn.me', 'userapi.com', 'vk.com', 'yandex.com', 'yandex.net', 'yastatic.net'],
  SA: ['xn--mgberp4a5d4ar'],
  AE: ['xn--mgbaam7a8h'],
  EG: ['xn--wgbh1c'],
  PK: ['xn--mgbai9azgqp6j'],
  SY: ['xn--ogbpf8fl'],
  KZ: ['xn--80ao21a'],
  IN: ['xn--h2brj9c'],
};

/** Countries whose top-level domain is not their code. */
const OTHER_TLDS: Readonly<Record<string, string>> = { GB: 'uk' };

/** The ends of names that belong to a country, two capital letters (ISO 3166-1): its top-level domain, and some others. */
export function domesticNames(country: string): readonly string[] {
  const tld = Object.hasOwn(OTHER_TLDS, country) ? OTHER_TLDS[country] : country.toLowerCase();
  return [
    ...(tld === undefined ? [] : [tld]),
    ...(Object.hasOwn(EXTRA_NAMES, country) ? (EXTRA_NAMES[country] ?? []) : []),
  ];
}
