import type { PhaseResult, ReplayResult } from '../replay-result.ts';
import { tallyText } from '../scoreboard.ts';
import { escapeHtml } from './escape-html.ts';

function number(value: number | null, unit = ''): string {
  if (value === null) return '–';
  const text = Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(1);
  return unit === '' ? text : `${text} ${unit}`;
}

/** What is said of a phase, a name and a value each. */
export function phaseFacts({ measures }: PhaseResult): readonly (readonly [string, string])[] {
  const { goodputShare } = measures;
  return [
    ['users that got something', tallyText(measures.users)],
    ['pages', tallyText(measures.pages)],
    ['page, p50', number(measures.pageSecondsP50, 's')],
    ['page, p95', number(measures.pageSecondsP95, 's')],
    ['downloads over 60 s that came whole', tallyText(measures.longDownloads)],
    ['goodput of what is allowed', goodputShare === null ? 'not measured' : `${Math.round(goodputShare * 100)} %`],
    ['longest stall', number(measures.longestStallSeconds, 's')],
    ['sessions per user', number(measures.sessionsPerUser)],
    ['carriers per user', number(measures.carriersPerUser)],
    ['reconnects per user-hour', number(measures.reconnectsPerUserHour)],
    ['with a session at the end', tallyText(measures.connected)],
    ...(measures.backSeconds === null
      ? []
      : [['as fast as at first after', number(measures.backSeconds, 's')] as const]),
  ];
}

function renderPhase(phase: PhaseResult): string {
  const facts = phaseFacts(phase).map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`);
  const aims = phase.aims.map(
    ({ text, value, holds }) =>
      `<p class="aim${holds ? ' holds' : ''}">${escapeHtml(text)}: ${escapeHtml(value)}${holds ? '' : ' (missed)'}</p>`,
  );
  return `<section class="phase"><h3>${escapeHtml(phase.id)} · ${escapeHtml(phase.name)}</h3><div class="faint">${escapeHtml(phase.when)}, played for ${phase.seconds} s</div>
<p>${escapeHtml(phase.history)}</p><dl>${facts.join('')}</dl>${aims.join('')}</section>`;
}

/** All phases in one look: what was asked, and what it did to users. */
function renderOverview({ phases }: ReplayResult): string {
  const rows = phases.map(({ id, name, measures, aims }) => {
    const { users, pages, pageSecondsP50, goodputShare, longestStallSeconds, carriersPerUser } = measures;
    const isMissed = aims.some(({ holds }) => !holds);
    const verdict = isMissed ? '<b class="missed">✕ missed</b>' : '✓ held';
    const cells = [
      tallyText(users),
      tallyText(pages),
      number(pageSecondsP50, 's'),
      goodputShare === null ? '–' : `${Math.round(goodputShare * 100)} %`,
      number(longestStallSeconds, 's'),
      number(carriersPerUser),
      aims.length === 0 ? '–' : verdict,
    ];
    const heading = `${escapeHtml(id)} <small>${escapeHtml(name)}</small>`;
    return `<tr><th scope="row">${heading}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const heads = ['served', 'pages', 'page p50', 'goodput', 'stall', 'carriers', 'aims'];
  return `<div class="wide"><table class="overview"><thead><tr><td></td>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>
<p class="faint">Served: users that got anything. Stall: the longest of all downloads. Carriers: new connections for each user.</p>`;
}

/** The replay's part of the page. */
export function renderReplay(replay: ReplayResult): string {
  const notes = replay.notes.map((note) => `<p class="faint">${escapeHtml(note)}</p>`);
  return `<h2>${escapeHtml(replay.title)}</h2>
<p>${replay.users} real clients at commit ${escapeHtml(replay.commit)} (${escapeHtml(replay.date.slice(0, 10))}, phases at ${replay.timeScale} of their length) live through the phases one after the other. Rules count in real seconds; only the days between are left out.</p>
${renderOverview(replay)}
<h3>Users with a session</h3><div class="chart" id="chart-connected"></div>
<h3>Goodput</h3><div class="chart" id="chart-goodput"></div>
<h3>New carriers</h3><div class="chart" id="chart-carriers"></div>
<div class="phases">${replay.phases.map(renderPhase).join('\n')}</div>${notes.join('\n')}`;
}
