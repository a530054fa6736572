const pollMs = 250;

/**
 * Ends this process, by a SIGTERM to itself, when the one that started it is gone, if npm stands behind that one. npm passes a
 * signal on to the shell it runs a script in, and that shell dies of it without a word to the program inside.
 */
export function endWithParent() {
  if (process.env.npm_lifecycle_event === undefined || process.platform === 'win32') return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, pollMs);
  timer.unref();
}
