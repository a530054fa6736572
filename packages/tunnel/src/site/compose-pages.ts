import { createHash } from 'node:crypto';

/** A page of the built-in site. */
export interface PageText {
  readonly contentType: string;
  readonly text: string;
}

/** All pages by path, and when they were last changed. */
export interface ComposedSite {
  readonly texts: ReadonlyMap<string, PageText>;
  readonly modifiedMs: number;
}

/** Picks the same things for the same seed. */
type Pick = <Item>(items: readonly [Item, ...Item[]]) => Item;

type Words = readonly [string, ...string[]];

const PLACES: Words = [
  'Linden',
  'Harbour',
  'Mill',
  'Orchard',
  'River',
  'Station',
  'Garden',
  'Castle',
  'Bridge',
  'Meadow',
];
const NAMES: Words = ['Novak', 'Keller', 'Moreau', 'Rossi', 'Hansen', 'Silva', 'Kovacs', 'Berg', 'Laurent', 'Meyer'];
const COLOURS: Words = ['#2f5d50', '#7a3b2e', '#30507a', '#5a4a7d', '#6b5a2a', '#2d6a72', '#8a3a5a', '#3c3c46'];
const FONTS: Words = ['Georgia, serif', 'system-ui, sans-serif', 'Verdana, sans-serif', '"Palatino Linotype", serif'];

interface Trade {
  readonly kind: string;
  readonly lead: string;
  readonly services: Words;
}

const TRADES: readonly [Trade, ...Trade[]] = [
  {
    kind: 'Bakery',
    lead: 'Bread from a stone oven, every morning from half past six.',
    services: ['Sourdough loaves', 'Rye and seed bread', 'Cakes to order', 'Rolls for offices', 'Seasonal pastries'],
  },
  {
    kind: 'Bicycles',
    lead: 'We repair, restore and rent bicycles of every age.',
    services: ['Repairs while you wait', 'Wheel building', 'Used bicycles', 'Rental by the day', 'Winter storage'],
  },
  {
    kind: 'Photography',
    lead: 'Portraits, houses and weddings, in daylight wherever we can.',
    services: ['Portraits', 'Weddings', 'Architecture', 'Old pictures restored', 'Prints and frames'],
  },
  {
    kind: 'Joinery',
    lead: 'Furniture, stairs and windows made of local wood.',
    services: ['Tables and benches', 'Windows', 'Stairs', 'Fitted shelves', 'Repair of old furniture'],
  },
  {
    kind: 'Music School',
    lead: 'Lessons for children and adults, alone or in small groups.',
    services: ['Piano', 'Violin and viola', 'Guitar', 'Singing', 'Theory and ear training'],
  },
  {
    kind: 'Garden Design',
    lead: 'Gardens that look after themselves for most of the year.',
    services: ['Planning', 'Planting', 'Stone paths', 'Ponds', 'Care in spring and autumn'],
  },
];

const SENTENCES: Words = [
  'We are a small team and like to take our time.',
  'Most of our customers come because somebody told them about us.',
  'If you are not sure what you need, just ask: advice costs nothing.',
  'We answer letters and messages within two working days.',
  'The workshop is open to visitors on the first Saturday of the month.',
  'Prices depend on the work; you always get an estimate first.',
  'We have been here for more than ten years.',
  'There is a place to sit, and there is coffee.',
];

const DAY_MS = 86_400_000;
/** The pages were last changed on a day of this span. */
const FIRST_DAY_MS: number = Date.UTC(2024, 2, 1);
const SPAN_DAYS = 540;

/** Draws a site of a few pages. */
export function composePages(seed: Buffer): ComposedSite {
  const draw = createDraw(seed);
  const pick: Pick = (items) => items[draw(items.length)] ?? items[0];
  const trade = pick(TRADES);
  const title = draw(2) === 0 ? `${pick(PLACES)} ${trade.kind}` : `${trade.kind} ${pick(NAMES)}`;
  const address = `${pick(PLACES)} Street ${1 + draw(80)}`;
  const page = (heading: string, body: string) => html(layout({ title, heading, body }));
  const list = trade.services.map((service) => `<li>${service}</li>`).join('\n');
  const texts = new Map<string, PageText>([
    ['/', page(title, `<p class="lead">${trade.lead}</p>\n<p>${pick(SENTENCES)}</p>\n<ul>\n${list}\n</ul>`)],
    ['/about', page('About us', `<p>${pick(SENTENCES)}</p>\n<p>${pick(SENTENCES)}</p>`)],
    ['/services', page('Services', `<ul>\n${list}\n</ul>\n<p>${pick(SENTENCES)}</p>`)],
    ['/contact', page('Contact', `<p>${title}<br>${address}</p>\n<p>Open ${openingHours(draw)}.</p>`)],
    ['/style.css', { contentType: 'text/css; charset=utf-8', text: style(pick(COLOURS), pick(FONTS)) }],
    ['/robots.txt', { contentType: 'text/plain; charset=utf-8', text: 'User-agent: *\nAllow: /\n' }],
  ]);
  return { texts, modifiedMs: FIRST_DAY_MS + draw(SPAN_DAYS) * DAY_MS + draw(DAY_MS / 1000) * 1000 };
}

/** Numbers below a bound, the same ones for the same seed. */
function createDraw(seed: Buffer): (below: number) => number {
  let count = 0;
  return (below) => {
    count += 1;
    return createHash('sha256').update(seed).update(`site ${count}`).digest().readUIntBE(0, 6) % below;
  };
}

function openingHours(draw: (below: number) => number): string {
  return `Monday to Friday from ${7 + draw(4)}:00 to ${16 + draw(4)}:30`;
}

function html(text: string): PageText {
  return { contentType: 'text/html; charset=utf-8', text };
}

function layout({ title, heading, body }: Readonly<Record<'title' | 'heading' | 'body', string>>): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${heading === title ? title : `${heading} – ${title}`}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><a href="/">${title}</a>
<nav><a href="/services">Services</a> <a href="/about">About</a> <a href="/contact">Contact</a></nav></header>
<main>
<h1>${heading}</h1>
${body}
</main>
<footer><p>${title}</p></footer>
</body>
</html>
`;
}

function style(colour: string, font: string): string {
  return `body { margin: 0 auto; max-width: 42rem; padding: 1rem; font-family: ${font}; line-height: 1.6; color: #222; }
header { display: flex; justify-content: space-between; border-bottom: 2px solid ${colour}; padding-bottom: 0.5rem; }
a { color: ${colour}; }
h1 { color: ${colour}; font-weight: normal; }
.lead { font-size: 1.2rem; }
footer { margin-top: 3rem; color: #777; font-size: 0.9rem; }
`;
}
