/** The text of a value in a cell or behind a name. */
function cellText(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cellText).join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A table with a column for each member; members that hold objects are left to `--json` and `show`. */
function tableText(rows: readonly { readonly [name: string]: unknown }[]): string {
  const names = Object.keys(rows[0] ?? {}).filter((name) => rows.every((row) => !isRecord(row[name])));
  const cells = [names, ...rows.map((row) => names.map((name) => cellText(row[name])))];
  const widths = names.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A reply of the API as a person reads it. */
export function showReply(reply: unknown): string {
  if (Array.isArray(reply)) return reply.length === 0 ? 'none' : tableText(reply.filter(isRecord));
  if (!isRecord(reply)) return cellText(reply);
  if (reply.done === true) return 'done';
  const members = Object.entries(reply);
  if (members.length === 1) return cellText(members[0]?.[1]);
  return members.map(([name, value]) => `${name}: ${cellText(value)}`).join('\n');
}
