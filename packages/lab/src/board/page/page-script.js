// Draws the charts of the page. Runs in the browser; uPlot and the data stand in the page before it.
(() => {
  const detail = document.getElementById('detail');
  const tell = ({ target }) => {
    const told = target.closest?.('.heat [title]');
    if (told) detail.textContent = told.title;
  };
  for (const kind of ['click', 'focusin', 'mouseover']) document.querySelector('.heat')?.addEventListener(kind, tell);
  const replay = JSON.parse(document.getElementById('data').textContent).replay;
  if (!replay) return;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const { seconds, connectedShare, kilobitsPerUser, carriersPerUserMinute } = replay.series;
  const phases = [];
  for (const { id, seconds: length } of replay.phases) {
    const from = phases.at(-1)?.to ?? 0;
    phases.push({ id, from, to: from + length });
  }
  const charts = [
    {
      id: 'chart-connected',
      title: 'users with a session, %',
      values: connectedShare.map((share) => share * 100),
      stroke: '--first',
      range: [0, 105],
    },
    { id: 'chart-goodput', title: 'goodput per user, kbit/s', values: kilobitsPerUser, stroke: '--third' },
    {
      id: 'chart-carriers',
      title: 'new carriers per user and minute',
      values: carriersPerUserMinute,
      stroke: '--second',
    },
  ];
  const bands = {
    hooks: {
      drawClear: (plot) => {
        const { ctx } = plot;
        const { top, height } = plot.bbox;
        ctx.save();
        ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
        phases.forEach((phase, index) => {
          const [left, right] = [plot.valToPos(phase.from, 'x', true), plot.valToPos(phase.to, 'x', true)];
          ctx.fillStyle = index % 2 ? colour('--none') : 'transparent';
          ctx.fillRect(left, top, right - left, height);
          ctx.fillStyle = colour('--faint');
          ctx.fillText(phase.id, left + 4 * devicePixelRatio, top + 13 * devicePixelRatio);
        });
        ctx.restore();
      },
    },
  };
  const axis = (size) => ({
    stroke: colour('--faint'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    size,
  });
  const draw = ({ id, title, values, stroke, range }) => {
    const place = document.getElementById(id);
    place.replaceChildren();
    const options = {
      width: place.clientWidth,
      height: 200,
      plugins: [bands],
      scales: { x: { time: false }, y: range ? { range } : { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [axis(30), axis(46)],
      series: [{ label: 'second' }, { label: title, stroke: colour(stroke), width: 1.5 }],
    };
    return new uPlot(options, [seconds, values], place);
  };
  let plots = charts.map(draw);
  const redraw = () => {
    for (const plot of plots) plot.destroy();
    plots = charts.map(draw);
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  let width = innerWidth;
  addEventListener('resize', () => {
    if (innerWidth === width) return;
    width = innerWidth;
    redraw();
  });
})();
