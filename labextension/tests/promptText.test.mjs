/** The text of prompt cells: marks, the words of the first line, and where the picker opens. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { behindDot, staleDot } from '../lib/prompt/columnItems.js';
import { completionsOf } from '../lib/prompt/completionItems.js';
import { optionOf, takesValue, usageOf } from '../lib/prompt/optionTable.js';
import { isPrompt, marksOf, opensPicker, wordsOf } from '../lib/prompt/promptText.js';

const marked = text => marksOf(text).map(m => text.slice(m.from, m.to));
const kinds = line => wordsOf(line, takesValue).map(w => `${w.kind} ${line.slice(w.from, w.to)}`);

test('a prompt is a cell whose first line is the magic', () => {
  assert.deepEqual(['%%fm', '%%fm embedded', '%%fm\tx', '%%fmx', ' %%fm', '%fm', '# %%fm'].map(isPrompt), [true, true, true, false, false, false, false]);
});

test('an expression ends where its brackets and strings are closed', () => {
  assert.deepEqual(marked('a {{ {"a": {"b": 1}} }} b {{ "a}}b" }}'), ['{{ {"a": {"b": 1}} }}', '{{ "a}}b" }}']);
  assert.deepEqual(marked('{{ f(\n 2) }}'), ['{{ f(\n 2) }}']);
  assert.deepEqual(marked(`{{ '''it's }}''' }} {{ 'a\\'}}' }}`), [`{{ '''it's }}''' }}`, `{{ 'a\\'}}' }}`]);
});

test('while a bracket or a string is open, the mark stays', () => {
  assert.deepEqual(marked("{{ f(x, [1 }} c {{ y }}\n{{ 'a }} {{ b }}"), ['{{ f(x, [1 }}', '{{ y }}', "{{ 'a }}", '{{ b }}']);
});

test('other braces are text', () => {
  assert.deepEqual(marked('{{{{ x }} {{{y}}} {{#if a}} {{/if}} {{ }} {% nope %} {{ open'), []);
  assert.deepEqual(marked('${{ github.actor }} <p style={{color: "red"}}> \\frac{{a}{b}} {"a": 1}'), []);
  assert.deepEqual(marked('{% for a in b %}{{ a }}{% endfor %}'), ['{% for a in b %}', '{{ a }}', '{% endfor %}']);
});

test('a long prompt of open brackets is searched a bounded number of times', () => {
  assert.equal(marksOf('{{ f( }} '.repeat(20_000)).length, 20_000);
});

test('the words of a first line are split as the kernel splits them', () => {
  assert.deepEqual(kinds("%%fm out << embedded -t 0.2 --seed=3 -s 'a b' --raw --nope"), [
    'magic %%fm', 'name out', 'magic <<', 'model embedded', 'option -t', 'value 0.2', 'option --seed', 'value 3', 'option -s', "value 'a b'", 'option --raw', 'unknown --nope'
  ]);
  assert.deepEqual(kinds('%%fm out<< a|b'), ['magic %%fm', 'name out', 'magic <<', 'model a|b']);
  assert.deepEqual(kinds('%%fm --attach C:\\new -t -1 -t=2'), ['magic %%fm', 'option --attach', 'value C:\\new', 'option -t', 'value -1', 'unknown -t=2']);
});

test('an option is found by both of its names', () => {
  assert.equal(optionOf('-f'), optionOf('--format'));
  assert.equal(usageOf(optionOf('-f')), '-f, --format FORMAT');
  assert.deepEqual([takesValue('--raw'), takesValue('-t'), takesValue('--nope')], [false, true, undefined]);
});

test('the picker opens behind braces, in the first letters, and behind a dot', () => {
  for (const before of ['{{', 'a {{ ', '{{ d', '{{df', '{{ df.', '{{ a + df.', '{{ f(df.']) {
    assert.ok(opensPicker(before), before);
  }
  for (const before of ['{', '{{{', '{{{{ ', 'End.', '{{ a }}.', '{{ name', '{{ 1', '{{ a + ', '{{#if a.', '{{ f(x).', "{{ df['a'].", '{{ a.b.', '{{ 1.']) {
    assert.ok(!opensPicker(before), before);
  }
});

test('options, their values and models complete on the first line', () => {
  const models = [{ model: 'openai:gpt-5', host: 'api.openai.com' }, { model: 'embedded', host: '' }];
  const labels = before => completionsOf(before, models, false).items.map(i => i.label);
  assert.deepEqual(labels('%%fm --temp'), ['--temperature']);
  assert.deepEqual(labels('%%fm -f js'), ['json']);
  assert.deepEqual(labels('%%fm --format=m'), ['markdown', 'math']);
  assert.deepEqual(labels('%%fm openai:'), ['openai:gpt-5']);
  assert.deepEqual(labels('%%fm openai:gpt-5|emb'), ['embedded']);
  assert.equal(completionsOf('%%fm openai:gpt-5|emb', models, false).start, 18);
  assert.equal(completionsOf('%%fm --format=m', models, false).start, 14);
  assert.ok(labels('%%fm ').includes('--over') && labels('%%fm -s ').length === 0 && labels("%%fm -s 'op").length === 0);
  assert.deepEqual(completionsOf('%%fm ', models, true).items, []);
});

test('a column that replaces the dot is listed behind it, and the dot is deleted', () => {
  const items = ['df.text', 'df["two words"]', 'df["two cities"]'].map(label => ({ label, type: 'column' }));
  assert.equal(behindDot(items.slice(0, 1), 'df.', 10), null);
  assert.equal(behindDot([{ label: 'df["two words"]' }], '', 10), null);
  const { items: moved, offer } = behindDot(items, 'df.t', 10);
  assert.deepEqual(moved.map(i => i.insertText), ['text', 'df["two words"]', 'df["two cities"]']);
  assert.equal(offer.start, 13);
  const dot = { from: 10, to: 13 };
  assert.deepEqual(staleDot(offer, 13, 'df["two words"]', 'df.'), dot);
  assert.deepEqual(staleDot(offer, 13, 'df["two ', 'df.'), dot); // the shared beginning, then the whole
  assert.deepEqual(staleDot(offer, 13, 'df["two words"]', 'df['), dot);
  for (const [at, inserted, before] of [[13, 'text', 'df.'], [12, 'df["two words"]', 'df.'], [13, 'df["other"]', 'df.'], [13, 'd', 'df.'], [13, 'df["two words"]', ' +.']]) {
    assert.equal(staleDot(offer, at, inserted, before), null);
  }
});
