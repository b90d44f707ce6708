import assert from 'node:assert/strict';
import test from 'node:test';
import { availabilityOf, cellOf, invalidReason, promptOf, shellQuoted } from '../lib/modelNames.js';
import { ago, bytes, count, dollars } from '../lib/format.js';

const entry = more => ({ model: 'm', provider: 'p', ready: 'yes', host: 'local', local: true, inputs: [], outputs: [], note: '', license: '', ...more });
const entries = (...all) => new Map(all.map(e => [e.model, e]));

test('a notebook may name a model and nothing else', () => {
  for (const fine of [undefined, '', 'embedded', 'hf:org/name@main/file.gguf', 'ollama:llama3.2:1b']) {
    assert.equal(invalidReason(fine), '');
  }
  for (const invalid of ['https://evil.example/v1', 3, null, {}, 'a\nb', ' a', 'x'.repeat(301)]) {
    assert.match(invalidReason(invalid), /invalid model name/, JSON.stringify(invalid));
  }
});

test('names on the first line of a cell have shell quotes', () => {
  assert.equal(cellOf(['embedded', 'openai:gpt-5', "a b'c"]), `%%fm embedded openai:gpt-5 'a b'"'"'c'\n`);
  assert.equal(shellQuoted('$(x)'), "'$(x)'");
});

test('the prompt of a cell is the text below its first line', () => {
  assert.equal(promptOf('%%fm embedded -t 0\nWhat?\nWhy?'), 'What?\nWhy?');
  assert.equal(promptOf('%%fmx\nWhat?'), undefined);
  assert.equal(promptOf('1 + 1'), undefined);
});

test('a model has the next step before it can answer', () => {
  const all = entries(
    entry({ model: 'small', ready: '%fm pull small' }),
    entry({ model: 'openai:gpt-5', provider: 'openai', ready: '%fm key set openai' }),
    entry({ model: 'no', ready: 'locked', note: 'not allowed here' })
  );
  assert.equal(availabilityOf('small', all, false).hint, '%fm pull small');
  assert.equal(availabilityOf('openai:brand-new', all, true).hint, '%fm key set openai');
  assert.equal(availabilityOf('hf:org/x', all, false).hint, '%fm pull hf:org/x');
  assert.deepEqual({ ...availabilityOf('no', all, false), entry: undefined }, { entry: undefined, hint: 'not allowed here', locked: true });
  assert.equal(availabilityOf('mine', all, false).hint, '');
  assert.match(availabilityOf('mine', all, true).hint, /unknown here/);
});

test('numbers and times as text', () => {
  assert.deepEqual([0, 512, 98_362_432, 1.5e9, 16e9].map(bytes), ['0 B', '512 B', '98 MB', '1.5 GB', '16 GB'].map(s => s.replace(' ', '\u00a0')));
  assert.deepEqual([256, 8192, 131072, 1_000_000].map(count), ['256', '8.2k', '131k', '1M']);
  assert.deepEqual([0, 0.075, 0.3, 2.5, 15, 0.0004].map(dollars), ['$0', '$0.07', '$0.30', '$2.50', '$15', '$0.0004']);
  assert.deepEqual([0, 61, 7300, 200_000].map(s => ago(1000, 1000 + s)), ['just now', 'a minute ago', '2 hours ago', '2 days ago']);
});
