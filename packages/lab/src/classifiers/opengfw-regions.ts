/** Where each of the four sums of bytes has to lie, both ends inclusive. */
export type Region = readonly [Range, Range, Range, Range];

type Range = readonly [least: number, most: number];

const MANY = Number.POSITIVE_INFINITY;
const ANY: Range = [0, MANY];

/** From `least` on. */
const over = (least: number): Range => [least, MANY];
/** Up to `most`. */
const upTo = (most: number): Range => [0, most];

/**
 * The boxes in which OpenGFW's `trojan` analyzer says yes: its decision tree (apernet/OpenGFW, analyzer/tcp/trojan.go, 2024), each path to a yes as
 * the ranges it leaves of the bytes up, down, up and down again. Its authors claim 1 % false positives and 10 % false negatives.
 */
export const OPENGFW_REGIONS: readonly Region[] = [
  // A short first answer.
  [[157, 411], upTo(157), [41, 788], upTo(185)],
  [[157, 892], [113, 157], [41, 788], over(186)],
  [[419, 892], upTo(157), [789, 1346], ANY],
  [[186, 206], [158, 251], ANY, ANY],
  [[207, 659], [158, 286], [71, 370], ANY],
  [[660, 1123], [158, 286], over(71), over(273)],
  [[1436, 1466], [158, 286], ANY, over(538)],
  [[207, 277], [727, 768], ANY, ANY],
  [[278, 284], [287, 782], ANY, upTo(783)],
  [over(285), [397, 492], ANY, over(972)],
  // An answer with certificates.
  [upTo(874), [2432, 6232], [86, 220], upTo(1173)],
  [over(875), [2432, 6232], [86, 108], upTo(1173)],
  [over(875), [5384, 6232], [109, 220], upTo(1173)],
  [upTo(664), [2432, 6232], [221, 383], upTo(346)],
  [upTo(445), [2432, 6232], [384, 411], ANY],
  [upTo(664), [2432, 3708], over(412), upTo(307)],
  [[665, 724], [2432, 6232], [221, 580], ANY],
  [[679, 1055], [2432, 6232], over(581), ANY],
  [over(1056), [5353, 6232], over(221), upTo(2173)],
  // A long one.
  [upTo(670), [6233, 9408], ANY, upTo(76)],
  [upTo(670), [9073, 9408], ANY, over(77)],
  [[671, 795], [6233, 6288], ANY, ANY],
  [[671, 795], [6335, 9408], ANY, upTo(6404)],
  [[671, 795], [8925, 9408], ANY, over(6405)],
  [[2592, 2840], [6233, 9408], over(733), ANY],
  [ANY, [13019, 13314], ANY, [31, 1786]],
];
