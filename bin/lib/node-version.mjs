// Imported first by every program in bin/, for its effect: an old Node gets a sentence instead of a stack trace.
// Nothing here may need a newer Node than the one it complains about.
const oldestMajor = 20;

if (Number(process.versions.node.split('.')[0]) < oldestMajor) {
  console.error(
    `rozan: this is Node ${process.versions.node}, and Rozan needs Node ${oldestMajor} or later to start. ` +
      'Install a newer Node (its npm comes with it) and run the same command again.',
  );
  process.exit(1);
}
