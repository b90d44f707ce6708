/** What is asked about a cell: everything that is sent stands in the new cell. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { aboutCell, explainOutput, fenced, fixError, promptCell, quote, shortened } from '../lib/cellmenu.js';

const stream = text => ({ output_type: 'stream', text });
const failure = { output_type: 'error', ename: 'ZeroDivisionError', evalue: 'division by zero', traceback: ['\u001b[0;31mZeroDivisionError\u001b[0m', 'line 2'] };

test('a question about a cell is a raw cell, so that braces in it are text', () => {
  const q = quote('f"{{ secret }}"', [stream('{{ 1 }}\n')]);
  for (const source of [aboutCell(q), explainOutput(q)]) {
    assert.match(source, /^%%fm --raw\n/);
    assert.ok(source.includes('f"{{ secret }}"') && source.includes('{{ 1 }}'));
  }
});

test('an error comes without the colours of a terminal', () => {
  const q = quote('1 / 0', [failure]);
  assert.equal(q.error, 'ZeroDivisionError\nline 2');
  assert.ok(fixError(q).includes('1 / 0') && fixError(q).includes(q.error));
  assert.equal(quote('x', [{ output_type: 'error', ename: 'E', evalue: 'v' }]).error, 'E: v');
});

test('of a progress bar only the last state is quoted', () => {
  assert.equal(quote('', [stream(' 1%\r 50%\r100%\r\ndone\r\n')]).output, '100%\ndone');
});

test('a picture is named, a table is quoted', () => {
  const data = { 'text/html': '<table>', 'text/plain': ['a  b\n', '1  2'] };
  const q = quote('', [{ output_type: 'display_data', data: { 'image/png': 'AAAA', 'text/plain': '<Figure>' } }, { output_type: 'execute_result', data }]);
  assert.equal(q.output, '[image/png]\na  b\n1  2');
});

test('a fence cannot be closed from inside', () => {
  const quoted = fenced('```python\n````\n', 'markdown');
  assert.equal(quoted, '`````markdown\n```python\n````\n`````');
});

test('what is too long is cut where it tells least, and says how much is missing', () => {
  const text = `first${'x'.repeat(200)}last`;
  assert.equal(shortened(text, 'start', 5), 'first\n[cut: 204 more characters]');
  assert.equal(shortened(text, 'end', 4), '[cut: 205 more characters]\nlast');
  assert.match(shortened(text, 'both', 20), /^firstx{9}\n\[cut: 189 more characters\]\nxxlast$/);
  assert.equal(shortened('short', 'end', 5), 'short');
  const traceback = fixError(quote('f()', [{ ...failure, traceback: ['x'.repeat(9000), 'ValueError: here'] }]));
  assert.ok(traceback.includes('ValueError: here') && traceback.length < 7000);
});

test('a cut leaves no half of a character', () => {
  assert.equal(shortened('ab😀cd', 'start', 3), 'ab\n[cut: 3 more characters]');
  assert.equal(shortened('ab😀cd', 'end', 3), '[cut: 3 more characters]\ncd');
});

test('a prompt becomes a cell, its model and system text quoted as a shell would take them', () => {
  assert.equal(promptCell('hi {{ x }}'), '%%fm\nhi {{ x }}');
  assert.equal(promptCell('hi', 'openai:m', 'Be\nbrief', true), "%%fm openai:m -s 'Be brief' --raw\nhi");
});
