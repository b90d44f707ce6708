import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorKind, isShownAbove, keyProvider } from '../lib/errors/errorKind.js';
import { replacedRange } from '../lib/errors/replacedRange.js';

const apply = (text, { start, end, text: insert }) => text.slice(0, start) + insert + text.slice(end);

test('the replacement is the middle that differs', () => {
  assert.deepEqual(replacedRange('x = 1/0\ny', 'x = 1/1\ny'), { start: 6, end: 7, text: '1' });
  assert.deepEqual(replacedRange('aaa', 'aaaa'), { start: 3, end: 3, text: 'a' });
  assert.deepEqual(replacedRange('aaaa', 'aa'), { start: 2, end: 4, text: '' });
  assert.deepEqual(replacedRange('same', 'same'), { start: 4, end: 4, text: '' });
  assert.deepEqual(replacedRange('', 'new'), { start: 0, end: 0, text: 'new' });
});

test('applied, it gives the new text for any two texts', () => {
  const letters = ['a', 'b', '\n', '\u{1F600}', '\u{1F601}'];
  let seed = 1;
  const random = n => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % n;
  const text = () => Array.from({ length: random(8) }, () => letters[random(letters.length)]).join('');
  for (let i = 0; i < 5000; i++) {
    const [before, after] = [text(), text()];
    const range = replacedRange(before, after);
    assert.equal(apply(before, range), after);
    assert.ok(range.text.isWellFormed() && before.slice(range.start, range.end).isWellFormed());
  }
});

test('an error output is of the user, of fmnb, or a stop', () => {
  const error = (ename, line = '') => ({ ename, evalue: '', traceback: [line] });
  assert.equal(errorKind(error('ZeroDivisionError')), 'python');
  assert.equal(errorKind(error('KeyMissingError')), 'fmnb');
  assert.equal(errorKind(error('Interrupted')), 'stop');
  assert.ok(isShownAbove(error('KeyMissingError', 'KeyMissingError, as shown above.')));
  assert.ok(isShownAbove(error('KeyMissingError', 'KeyMissingError, as shown above: OpenAI needs a key')));
  assert.ok(isShownAbove(error('Interrupted', 'Stopped, as shown above.')));
  assert.ok(!isShownAbove(error('KeyMissingError', 'KeyMissingError: OpenAI needs a key')));
  assert.ok(!isShownAbove(error('ValueError', 'ValueError, as shown above.')));
});

test('the provider is the one of the hint', () => {
  assert.equal(keyProvider('Set OPENAI_API_KEY before starting Jupyter, or run `%fm key set openai`.'), 'openai');
  assert.equal(keyProvider('run %fm key set my.shop-2.'), 'my.shop-2');
  assert.equal(keyProvider('%fm key set'), '');
});
