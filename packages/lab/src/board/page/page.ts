// The scoreboard as one HTML file that needs nothing else: styles, data, and the chart library stand in it.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { CellResult } from '../cell.ts';
import { JUDGES } from '../labels.ts';
import { cellOf, falsePositivesOf, type PolicyHeading, type Scoreboard, shareText, tallyText } from '../scoreboard.ts';
import { findShortfalls } from '../shortfalls.ts';
import { addTallies } from '../statistics.ts';
import { escapeHtml } from './escape-html.ts';
import { renderReplay } from './replay-section.ts';

/** A heat map's cell: its colour says how many sessions got through; the rest is in its title. */
function renderCell(cell: CellResult | undefined, classes: string): string {
  if (cell === undefined) return `<td class="cell ${classes}"></td>`;
  // What an older run has kept knows nothing of probes.
  const { reached, survival, bootstrapMs, goodputShare, probes = null } = cell;
  const share = reached.n === 0 ? 0 : Math.round((100 * reached.k) / reached.n);
  const seconds = (ms: number | null) => (ms === null ? '–' : `${(ms / 1000).toFixed(1)} s`);
  const facts = [
    `${cell.subject} under ${cell.policy}: ${tallyText(reached)}, ${shareText(reached)}`,
    `first page p50 ${seconds(bootstrapMs.p50)}, p95 ${seconds(bootstrapMs.p95)}`,
    survival === null
      ? 'no long download'
      : `${(survival.bytes / 1e6).toFixed(1)} of ${(survival.wantedBytes / 1e6).toFixed(1)} MB in ${survival.seconds.toFixed(0)} s over ${survival.connections} connections`,
    ...(goodputShare === null ? [] : [`goodput ${(goodputShare * 100).toFixed(0)} % of what is allowed`]),
    ...(probes === null ? [] : [`${probes.batteries} times probed, ${probes.proxies} times found to be a proxy`]),
  ];
  const mark = survival !== null && !survival.isWhole ? ' broken' : '';
  return `<td class="cell ${classes}" data-share tabindex="0" style="--share:${share}%" title="${escapeHtml(facts.join('\n'))}"><span class="${mark}">${share}<i> %</i></span></td>`;
}

/** The adaptive client stands beside the names of the censors, where a phone shows it. */
function columnsOf({ subjects }: Scoreboard): Scoreboard['subjects'] {
  return subjects.toSorted((a, b) => Number(b.isAdaptive) - Number(a.isAdaptive));
}

function renderRow(board: Scoreboard, policy: PolicyHeading): string {
  const cells = columnsOf(board).map((subject) =>
    renderCell(cellOf(board, policy.id, subject.name), subject.isAdaptive ? 'adaptive' : ''),
  );
  const control = board.controls.find((each) => each.policy === policy.id);
  const broken = falsePositivesOf(board, policy.id);
  const hit = control === undefined ? '–' : tallyText(control.hit);
  return `<tr><th scope="row" title="${escapeHtml(`${policy.name}. Source: ${policy.source}`)}">${escapeHtml(policy.id)} <small>${escapeHtml(policy.name)}</small></th>${cells.join('')}<td>${hit}</td><td>${tallyText(broken)}</td></tr>`;
}

function isJudge({ name }: { readonly name: string }): boolean {
  return JUDGES.includes(name);
}

function renderHeatMap(board: Scoreboard): string {
  const heads = columnsOf(board).map(({ name }) => `<th scope="col"><span>${escapeHtml(name)}</span></th>`);
  const rows = board.policies.map((policy) => renderRow(board, policy));
  const head = `<tr><td></td>${heads.join('')}<th scope="col"><span>control hit</span></th><th scope="col"><span>benign broken</span></th></tr>`;
  const labels = board.subjects.map(({ name, labels: { nDPI = 'not asked' } }) => `${name}: ${nDPI}`);
  const judges = board.skipped.filter(isJudge).map(({ name, why }) => `${name}: skipped, ${why}`);
  return `<p class="key"><span class="ramp"></span>Share of fresh sessions that fetched a page, 0 to 100 %. <span class="broken">Dotted</span>: the long download did not come whole. Framed: the adaptive client.</p>
<div class="wide"><table class="heat"><thead>${head}</thead>
<tbody>${rows.join('\n')}</tbody><tfoot>${head}</tfoot></table></div>
<p class="detail" id="detail" aria-live="polite"></p>
<p class="faint">What nDPI calls their traffic: ${escapeHtml([labels.join(', '), ...judges].join('. '))}.</p>`;
}

/** The cells that are not what they have to be; nothing where there are none. */
function renderShortfalls(board: Scoreboard): string {
  const rows = findShortfalls(board).map(
    ({ policy, what, why }) =>
      `<tr><th scope="row">${escapeHtml(policy)}</th><td>${escapeHtml(what)}</td><td>${escapeHtml(why)}</td></tr>`,
  );
  if (rows.length === 0) return '';
  return `<h2>Where the adaptive client falls short</h2><p>It has to get through in 95 % of fresh sessions, and every long download has to come whole.</p>
<div class="wide"><table><tbody>${rows.join('\n')}</tbody></table></div>`;
}

function fact(value: string, text: string): string {
  return `<div class="fact"><b>${value}</b>${text}</div>`;
}

/** Of a replay: how much of what was asked holds. */
function replayFacts({ replay }: Scoreboard): string[] {
  if (replay === null) return [];
  const aims = replay.phases.flatMap((phase) => phase.aims);
  const held = { k: aims.filter(({ holds }) => holds).length, n: aims.length };
  return [fact(tallyText(held), `aims that hold in “${escapeHtml(replay.title)}”, lived by ${replay.users} clients`)];
}

function renderFacts(board: Scoreboard): string {
  const hopeful = board.policies.filter(({ hopeless }) => hopeless === undefined);
  const cellsOf = (subject: string) => hopeful.flatMap(({ id }) => cellOf(board, id, subject) ?? []);
  const overall = (subject: string) => addTallies(cellsOf(subject).map(({ reached }) => reached));
  const facts = board.subjects
    .filter(({ isAdaptive }) => isAdaptive)
    .flatMap(({ name }) => {
      const cells = cellsOf(name);
      const survivals = cells.flatMap(({ survival }) => survival ?? []);
      const whole = survivals.filter(({ isWhole }) => isWhole).length;
      return [
        fact(
          shareText(overall(name)),
          `sessions of the ${escapeHtml(name)} client that got through, over ${cells.length} policies`,
        ),
        fact(tallyText({ k: whole, n: survivals.length }), 'long downloads that came whole'),
      ];
    });
  const best = board.subjects
    .filter(({ family }) => family === 'peer')
    .map(({ name }) => ({ name, tally: overall(name) }))
    .filter(({ tally }) => tally.n > 0)
    .toSorted((a, b) => b.tally.k / b.tally.n - a.tally.k / a.tally.n)[0];
  if (best !== undefined)
    facts.push(fact(shareText(best.tally), `the same of the best peer, ${escapeHtml(best.name)}`));
  facts.push(...replayFacts(board));
  return facts.length === 0 ? '' : `<div class="facts">${facts.join('')}</div>`;
}

function renderPolicies(board: Scoreboard): string {
  const rows = board.policies.map(
    ({ id, name, source, hopeless }) =>
      `<tr><th scope="row">${escapeHtml(id)}</th><td>${escapeHtml(name)}${hopeless === undefined ? '' : ` <span class="faint">(${escapeHtml(hopeless)})</span>`}</td><td>${escapeHtml(source)}</td></tr>`,
  );
  return `<details><summary>The policies and their sources</summary><div class="wide"><table><tbody>${rows.join('\n')}</tbody></table></div></details>`;
}

async function libraryText(name: string): Promise<string> {
  const folder = join(createRequire(import.meta.url).resolve('uplot/package.json'), '..', 'dist');
  const text = await readFile(join(folder, name), 'utf8');
  return text.trim().replaceAll('</script', '<\\/script');
}

/** The page. */
export async function renderPage(board: Scoreboard): Promise<string> {
  const read = (name: string) => readFile(join(import.meta.dirname, name), 'utf8');
  const [css, script, chart, chartCss] = await Promise.all([
    read('page.css'),
    read('page-script.js'),
    libraryText('uPlot.iife.min.js'),
    libraryText('uPlot.min.css'),
  ]);
  const data = JSON.stringify(board).replaceAll('<', '\\u003c');
  const matrix =
    board.cells.length === 0
      ? ''
      : `${renderFacts(board)}<h2>Who gets through which censor</h2>
<p>Each row is one documented behaviour of a censor, each column a tunnel. Real programs on both sides; the censor stands between them. Touch or point at a cell, or at the name of a censor, for more.</p>
${renderHeatMap(board)}${renderShortfalls(board)}${renderPolicies(board)}`;
  const others = board.skipped.filter((each) => !isJudge(each));
  const skipped = others.map(({ name, why }) => `${escapeHtml(name)} (${escapeHtml(why)})`).join(', ');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Rozan: resistance</title>
<style>${chartCss}\n${css}</style></head>
<body><header><h1>What gets through</h1>
<p class="faint">Rozan's lab at commit ${escapeHtml(board.commit)}, ${escapeHtml(board.date.slice(0, 10))}. Everything here ran on one machine with no internet.</p></header>
<main>${matrix}${board.replay === null ? '' : renderReplay(board.replay)}</main>
<footer><p>${skipped === '' ? '' : `Skipped: ${skipped}. `}Seed ${board.seed}; took ${Math.round(board.tookSeconds / 60)} minutes. Intervals are Wilson's, 95 %.</p></footer>
<script type="application/json" id="data">${data}</script>
<script>${chart}</script>
<script>${script.replaceAll('</script', '<\\/script')}</script>
</body></html>
`;
}
