/** Prompts about a cell: the new cell shows everything that is sent. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { aboutCell, explainOutput, fenced, fixError, promptCell, cellContents, truncated } from '../lib/cellmenu.js';

const stream = text => ({ output_type: 'stream', text });
const failure = { output_type: 'error', ename: 'ZeroDivisionError', evalue: 'division by zero', traceback: ['\u001b[0;31mZeroDivisionError\u001b[0m', 'line 2'] };

test('a prompt about a cell is a raw cell, so that braces in it are text', () => {
  const q = cellContents('f"{{ secret }}"', [stream('{{ 1 }}\n')]);
  for (const source of [aboutCell(q), explainOutput(q)]) {
    assert.match(source, /^%%fm --raw\n/);
    assert.ok(source.includes('f"{{ secret }}"') && source.includes('{{ 1 }}'));
  }
});

test('terminal colors are removed from an error', () => {
  const q = cellContents('1 / 0', [failure]);
  assert.equal(q.error, 'ZeroDivisionError\nline 2');
  assert.ok(fixError(q).includes('1 / 0') && fixError(q).includes(q.error));
  assert.equal(cellContents('x', [{ output_type: 'error', ename: 'E', evalue: 'v' }]).error, 'E: v');
});

test('only the last state of a progress bar is quoted', () => {
  assert.equal(cellContents('', [stream(' 1%\r 50%\r100%\r\ndone\r\n')]).output, '100%\ndone');
});

test('an image is named, a table is quoted', () => {
  const data = { 'text/html': '<table>', 'text/plain': ['a  b\n', '1  2'] };
  const q = cellContents('', [{ output_type: 'display_data', data: { 'image/png': 'AAAA', 'text/plain': '<Figure>' } }, { output_type: 'execute_result', data }]);
  assert.equal(q.output, '[image/png]\na  b\n1  2');
});

test('a fence cannot be closed from inside', () => {
  const block = fenced('```python\n````\n', 'markdown');
  assert.equal(block, '`````markdown\n```python\n````\n`````');
});

test('long text is truncated in its least useful part, with the number of missing characters', () => {
  const text = `first${'x'.repeat(200)}last`;
  assert.equal(truncated(text, 'start', 5), 'first\n[truncated: 204 more characters]');
  assert.equal(truncated(text, 'end', 4), '[truncated: 205 more characters]\nlast');
  assert.match(truncated(text, 'both', 20), /^firstx{9}\n\[truncated: 189 more characters\]\nxxlast$/);
  assert.equal(truncated('short', 'end', 5), 'short');
  const traceback = fixError(cellContents('f()', [{ ...failure, traceback: ['x'.repeat(9000), 'ValueError: here'] }]));
  assert.ok(traceback.includes('ValueError: here') && traceback.length < 7000);
});

test('truncation splits no character', () => {
  assert.equal(truncated('ab😀cd', 'start', 3), 'ab\n[truncated: 3 more characters]');
  assert.equal(truncated('ab😀cd', 'end', 3), '[truncated: 3 more characters]\ncd');
});

test('a prompt becomes a cell, with shell quotes around its model and system prompt', () => {
  assert.equal(promptCell('hi {{ x }}'), '%%fm\nhi {{ x }}');
  assert.equal(promptCell('hi', 'openai:m', 'Be\nbrief', true), "%%fm openai:m -s 'Be brief' --raw\nhi");
});
