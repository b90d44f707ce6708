import assert from 'node:assert';
import test from 'node:test';
import { fitting } from '../lib/fittingTabs.js';

test('all tabs are shown where they fit', () => assert.deepEqual(fitting([60, 60, 60], 180, 0), [0, 1, 2]));

test('the last ones go to the menu, and the order stays', () => {
  assert.deepEqual(fitting([60, 60, 60, 60], 200, 0), [0, 1]);
  assert.deepEqual(fitting([60, 200, 10], 160, 0), [0]);
});

test('the selected one always has a tab', () => {
  for (let selected = 0; selected < 10; selected++) {
    const shown = fitting(Array(10).fill(55), 240, selected);
    assert.ok(shown.includes(selected) && shown.length >= 2 && shown.length * 55 + 52 <= 240);
  }
  assert.deepEqual(fitting([60, 60, 60], 10, 2), [2]);
});
