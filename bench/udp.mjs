#!/usr/bin/env node
// A stream of datagrams through UDP ASSOCIATE to a site that sends it back, while carriers are cut: what is lost, and when.
import { parseArgs } from 'node:util';
import { measureUdp } from '../packages/lab/src/testing/udp-run.ts';

const HELP = `usage: node bin/run.mjs bench/udp.mjs [options]

  --mbps N     payload in each direction, Mbit/s (default 50)
  --seconds S  (default 10)
  --bytes N    payload of a datagram (default 1200)
  --cut MS     each carrier is cut, by a reset, at this age; 0: never (default 2000)
  --rounds N   (default 1)
  --json       one line of JSON for each round, and no table
  --help

Shares are of the datagrams sent. "elsewhere": lost, though sent neither within 0.4 s before a cut nor within 1 s after it.`;

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    mbps: text('50'),
    seconds: text('10'),
    bytes: text('1200'),
    cut: text('2000'),
    rounds: text('1'),
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

const percent = (share) => `${(100 * share).toFixed(2)} %`;

if (values.help) {
  console.log(HELP);
} else {
  if (!values.json) {
    console.log(
      '| Mbit/s each way | cuts | lost up | lost both ways | lost elsewhere | round trip ms: median, p99 | CPU ms per 1000: client, relay |',
    );
    console.log('| --- | --- | --- | --- | --- | --- | --- |');
  }
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const figures = await measureUdp({
      mbps: Number(values.mbps),
      seconds: Number(values.seconds),
      datagramBytes: Number(values.bytes),
      cutAfterMs: Number(values.cut),
    });
    const { sentMbps, cuts, lostUp, lost, lostElsewhere, roundTripMs, cpuMsPer1000 } = figures;
    const times = `${roundTripMs.median.toFixed(1)}, ${roundTripMs.p99.toFixed(1)}`;
    const cpu = `${cpuMsPer1000.client.toFixed(0)}, ${cpuMsPer1000.relay.toFixed(0)}`;
    const shares = [lostUp, lost, lostElsewhere].map(percent).join(' | ');
    console.log(
      values.json ? JSON.stringify(figures) : `| ${sentMbps.toFixed(1)} | ${cuts} | ${shares} | ${times} | ${cpu} |`,
    );
  }
}
