/** Runs folded from the same golden events that Python folds. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fold, foldAll, fromRow, isActive, markLost, newer } from '../lib/fold.js';

const golden = readFileSync(new URL('../../tests/golden/events.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line));
const upTo = kind => golden.slice(0, golden.findIndex(e => e.event === kind) + 1);

test('the golden run finishes with its usage, notices and answering model', () => {
  const run = foldAll(upTo('Finished'));
  assert.equal(run.state, 'finished');
  assert.equal(run.model, 'gpt-5-mini-2025');
  assert.equal(run.source, 'replayed');
  assert.deepEqual(run.usage, golden.find(e => e.event === 'Used').usage);
  assert.deepEqual(run.notices, ['not applied by this model: seed']);
});

test('every golden event is applied and sets the run’s number', () => {
  let run;
  for (const event of golden) {
    run = fold(run, event);
    assert.equal(run.n, event.n, event.event);
  }
  assert.equal(run.state, 'cancelled');
});

test('a failed run keeps its error, a waiting one has a reason and a time', () => {
  assert.equal(foldAll(upTo('Failed')).error.message, 'It failed');
  const waiting = foldAll(upTo('Waiting'));
  assert.equal(waiting.state, 'waiting');
  assert.equal(waiting.waitReason, 'rate limit');
  assert.equal(waiting.waitUntil, waiting.at + 1.5);
  assert.ok(isActive(waiting));
  assert.equal(foldAll(upTo('Notice')).state, 'running');
});

test('order and repetition change nothing: the higher number wins', () => {
  const whole = foldAll(golden);
  assert.deepEqual(foldAll([...golden].reverse()), whole);
  assert.deepEqual(foldAll([...golden, ...golden]), whole);
  assert.equal(fold(whole, golden[3]), whole);
});

test('the newer of two states wins, and the log beats a run in progress', () => {
  const early = foldAll(upTo('Progress'));
  const late = foldAll(upTo('Used'));
  assert.equal(newer(early, late), late);
  assert.equal(newer(late, early), late);
  const row = { run: late.run, kind: 'call', started: 1, model: 'm', prompt: 'p', text: 't', finish_reason: 'stop', source: 'live', error: null, seconds: 2 };
  assert.equal(newer(late, fromRow({ ...row })).state, 'finished');
  assert.equal(newer(late, fromRow({ ...row, finish_reason: 'unfinished' })), late);
});

test('a beginning that comes late still names the run', () => {
  const [started, ...rest] = upTo('Progress');
  const run = fold(rest.reduce(fold, undefined), started);
  assert.equal(run.model, foldAll(upTo('Progress')).model);
  assert.equal(run.n, rest.at(-1).n);
});

test('usage adds up, and a count that is not reported is not zero', () => {
  const used = (n, usage) => ({ event: 'Used', run: 'r', n, at: n, usage });
  const run = foldAll([used(1, { input_tokens: 10, cost: null }), used(2, { input_tokens: 5, cost: 0.5 })]);
  assert.deepEqual(run.usage, { input_tokens: 15, cost: 0.5 });
  assert.equal(foldAll([used(1, { cost: null })]).usage.cost, null);
});

test('the speed of a download is computed from its progress events', () => {
  const report = (n, at, done) => ({ event: 'Progress', run: 'r', n, at, stage: 'downloading', done, total: 100, unit: 'bytes' });
  assert.equal(foldAll([report(1, 0, 0)]).speed, null);
  assert.equal(foldAll([report(1, 1, 0), report(2, 3, 20)]).speed, 10);
  assert.equal(foldAll([report(1, 1, 50), report(2, 2, 0)]).speed, null); // restarted
});

test('progress in characters and text deltas fold alike', () => {
  const at = n => ({ run: 'r', n, at: n });
  const reported = foldAll([{ event: 'Progress', stage: 'answering', done: 5, unit: 'characters', ...at(2) }]);
  const streamed = foldAll([{ event: 'TextDelta', text: 'ab', ...at(1) }, { event: 'TextDelta', text: 'cde', ...at(2) }]);
  assert.deepEqual([reported.done, reported.unit], [streamed.done, streamed.unit]);
});

test('a run whose kernel is disconnected is no longer live, and an answer that comes newer still counts', () => {
  const disconnected = markLost(foldAll(upTo('Started')), 'its kernel was restarted');
  assert.ok(!isActive(disconnected));
  assert.equal(fold(disconnected, golden.find(e => e.event === 'Finished')).state, 'finished');
});
