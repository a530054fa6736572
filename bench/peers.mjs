#!/usr/bin/env node
// Starts known tunnels on loopback and measures them side by side: every round runs each peer once,
// so that the machine's drift falls on all of them alike.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startOrigin } from './measures.mjs';
import { addRecipes, peerNames, RECIPES, startPeer } from './recipes.mjs';
import { describe, MEASURE_OPTIONS, measureOnce, measureRound, planFrom, summarise } from './socks-bench.mjs';
import { formatTable } from './table.mjs';

/** How often the first measurement of a peer is tried: without it there is no other. */
const MAX_TRIES = 3;

const HELP = `usage: node bin/run.mjs bench/peers.mjs --peer NAME ... (--bench | --serve) [options]

  --peer NAME    a peer to start (repeatable; 'all' for every one): ${Object.keys(RECIPES).join(', ')}
  --recipes FILE a module that exports more peers as RECIPES (repeatable)
  --bench        measure the peers in interleaved rounds; takes the options of socks-bench.mjs
                 (--tests, --rounds, --mb, --bulk-seconds, --streams, --requests, --seconds, --concurrency, --hold,
                 --integrity-mb, --json), which see
  --serve        only start the peers, print their SOCKS ports and pids as JSON, stay until SIGINT
  --via=OPTIONS  put a cutter.mjs with these options, e.g. '--via=--delay 50', between client and server
  --help`;

/** What `work` returns; where it fails, nothing, and the peer's list of errors says why. */
async function attempt(peer, work) {
  try {
    return await work();
  } catch (error) {
    peer.errors.push(error.message);
    console.error(`${peer.name}: ${error.message}`);
    return undefined;
  }
}

async function bench(peers, plan, save) {
  for (const peer of peers) {
    for (let tries = 0; !peer.once && tries < MAX_TRIES; tries += 1) {
      peer.once = await attempt(peer, () => measureOnce(peer.path, plan));
    }
  }
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const peer of peers.filter(({ once }) => once)) {
      const start = Date.now();
      peer.rounds.push((await attempt(peer, () => measureRound(peer.path, plan, peer.once))) ?? {});
      save(`round ${round + 1} of ${plan.rounds}: ${peer.name}, ${((Date.now() - start) / 1000).toFixed(1)} s`);
    }
  }
}

function results(peers) {
  return Object.fromEntries(
    peers.map(({ name, once, rounds, errors }) => [name, { errors, summary: summarise(once ?? {}, rounds), rounds }]),
  );
}

async function serve(peers) {
  const list = peers.map(({ name, path }) => ({ name, chain: path.chain, target: path.target, pids: path.accounts }));
  console.log(JSON.stringify(list, undefined, 2));
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
}

async function main() {
  const { values } = parseArgs({
    options: {
      ...MEASURE_OPTIONS,
      peer: { type: 'string', multiple: true },
      recipes: { type: 'string', multiple: true, default: [] },
      bench: { type: 'boolean' },
      serve: { type: 'boolean' },
      via: { type: 'string' },
    },
  });
  if (values.help || !values.peer || !values.bench === !values.serve) {
    console.log(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  await addRecipes(values.recipes);
  const names = peerNames(values.peer);
  const origin = await startOrigin();
  const peers = [];
  try {
    for (const name of names) {
      try {
        peers.push({ ...(await startPeer(name, origin, values.via?.split(' '))), rounds: [], errors: [] });
      } catch (error) {
        console.error(error.message);
      }
    }
    if (values.serve) {
      await serve(peers);
      return;
    }
    const plan = planFrom(values);
    await bench(peers, plan, (stage) => {
      console.error(stage);
      if (!values.json || values.json === '-') return;
      writeFileSync(values.json, `${JSON.stringify({ stage, plan, peers: results(peers) }, undefined, 2)}\n`);
    });
    const measured = results(peers);
    if (values.json === '-') console.log(JSON.stringify({ plan, peers: measured }, undefined, 2));
    else {
      for (const [name, { errors, summary }] of Object.entries(measured)) {
        console.log(`\n${[name, ...errors].join('; failed: ')}\n${describe(summary)}`);
      }
      console.log(`\n${formatTable(measured, plan)}`);
    }
  } finally {
    for (const { launch } of peers) await launch.stop();
    origin.stop();
  }
}

await main().catch((error) => {
  console.error(`peers: ${error.message}`);
  process.exitCode = 1;
});
