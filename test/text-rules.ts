const maxLines = 400;
const kebab = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)*$/;
/** Folders of one machine: somebody's home, a scratch folder with a name, a checkout. */
const machinePath = /(?<![\w.:/-])\/(?:work|root|home\/[a-z]\w*|Users\/\w+|tmp\/[\w-]+)(?:\/|(?=['"`\s)]))/;
const sourceFile = /\.(?:ts|mjs|svelte|css)$/;

/** Source files that are too long to read at one go. */
export function tooLong(path: string, text: string): string[] {
  const lines = text.split('\n').length - 1;
  return sourceFile.test(path) && lines > maxLines ? [`${path}: ${lines} lines, of at most ${maxLines}`] : [];
}

/** Names of files and folders in packages that are not in kebab-case. */
export function badName(path: string): string[] {
  if (!path.startsWith('packages/')) return [];
  const bad = path.split('/').filter((part) => !kebab.test(part) && part !== 'README.md');
  return bad.map((part) => `${path}: '${part}' is not in kebab-case`);
}

/** Paths that exist on somebody's machine only. */
export function machinePaths(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) => (machinePath.test(line) ? [`${path}:${index + 1}: names a path of one machine`] : []));
}

/** A lock file that ties whoever installs to one registry. */
export function lockViolations(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) => (/"resolved": "https?:/.test(line) ? [`${path}:${index + 1}: names a registry`] : []));
}
