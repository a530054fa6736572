// Builds the app once for each state of its sources, and prints the folder in which it is: `node build.mjs`.
import { createHash } from 'node:crypto';
import { existsSync, globSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = import.meta.dirname;
const places = ['index.html', 'build.mjs', 'package.json', 'public/**/*.*', 'src/**/*.*'];

/** A name for all that the app is made of: another source, another name. */
function sourceDigest() {
  const hash = createHash('sha256');
  for (const path of globSync(places, { cwd: root }).sort()) {
    hash.update(`${path.replaceAll('\\', '/')}\0`).update(readFileSync(join(root, path)));
  }
  return hash.digest('hex').slice(0, 16);
}

async function build(outDir) {
  const [{ build: viteBuild }, { svelte }] = await Promise.all([
    import('vite'),
    import('@sveltejs/vite-plugin-svelte'),
  ]);
  await viteBuild({
    root,
    configFile: false,
    logLevel: 'error',
    plugins: [svelte({ configFile: false })],
    // Nothing is put into a data: URL, since the page's policy lets no font come from one.
    build: { outDir, emptyOutDir: true, target: 'es2020', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  });
}

const dist = join(root, 'dist');
const digest = sourceDigest();
const folder = join(dist, digest);
if (!existsSync(join(folder, 'index.html'))) {
  // Others may build at the same time: whoever is first with its whole folder has built it.
  const unfinished = join(dist, `.${digest}-${process.pid}`);
  await build(unfinished);
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(join(folder, 'index.html'))) throw error;
  }
  const old = readdirSync(dist).filter((name) => name !== digest && !name.startsWith('.'));
  for (const name of old) rmSync(join(dist, name), { recursive: true, force: true });
}
process.stdout.write(`${folder}\n`);
