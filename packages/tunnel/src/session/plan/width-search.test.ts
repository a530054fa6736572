import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WidthSearch } from './width-search.ts';

/** A search on a path that carries so many bytes per millisecond with so many carriers; `run` gives the widths, second by second. */
function createPath(rateOf: (width: number) => number, useful?: number) {
  const search = new WidthSearch(8, useful);
  let nowMs = 0;
  let bytes = 0;
  let rate = rateOf;
  search.note(0, 0);
  return {
    search,
    carry: (next: (width: number) => number) => {
      rate = next;
    },
    run: (seconds: number): number[] =>
      Array.from({ length: seconds }, () => {
        nowMs += 1000;
        bytes += 1000 * rate(search.width);
        search.note(bytes, nowMs);
        return search.width;
      }),
  };
}

/** How many times it changed. */
function changes(widths: readonly number[]): number {
  return widths.filter((width, index) => index > 0 && width !== widths[index - 1]).length;
}

describe('WidthSearch', () => {
  it('begins with as many as are said to be of use once there is much to carry, and finds out when fewer do', () => {
    const { search, run, carry } = createPath((width) => 125 * width, 4);
    assert.equal(search.width, 1);
    assert.ok(run(3).includes(4));
    carry((width) => 125 * Math.min(width, 2));
    run(1200);
    assert.ok(search.width <= 2, `${search.width}`);
  });

  it('goes up to where more carriers carry more', () => {
    const { search, run } = createPath((width) => 125 * width);
    run(30);
    assert.equal(search.width, 8);
    const some = createPath((width) => 125 * Math.min(width, 4));
    some.run(60);
    assert.equal(some.search.width, 4);
  });

  it('lets more go where they bring nothing, and tries ever more rarely', () => {
    const { run } = createPath(() => 2500);
    const widths = run(4 * 3600);
    assert.ok(widths.filter((width) => width > 1).length < 150, 'it was not alone for too long');
    assert.ok(changes(widths.slice(-3600)) <= 4);
  });

  it('is alone when there is nothing to carry, and as before when there is again', () => {
    const path = createPath((width) => 125 * width);
    path.run(30);
    path.carry(() => 0);
    path.run(150);
    assert.equal(path.search.width, 1);
    path.carry((width) => 125 * width);
    assert.equal(path.run(3).at(-1), 8);
  });

  it('needs fewer when a throttle ends', () => {
    const path = createPath((width) => 125 * width);
    path.run(30);
    path.carry(() => 2500);
    const widths = path.run(3600);
    assert.ok(widths.slice(-600).every((width) => width <= 2));
  });

  it('does not judge by what comes and goes', () => {
    let second = 0;
    const { run } = createPath(() => (second++ % 3 === 0 ? 1000 : 0));
    assert.equal(changes(run(600)), 0);
  });
});
