/** The state against a real server over real HTTP; notebooks and kernels are as small as they can be. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';
import { Signal } from '@lumino/signaling';
import { Api, TroubleError } from '../lib/api.js';
import { Catalogue } from '../lib/catalogue.js';
import { PROTOCOL } from '../lib/types.js';

const entry = (model, more) => ({ model, provider: model.split(':')[0], ready: 'yes', host: 'local', local: true, context: null, inputs: ['text'], outputs: ['text'], chat: true, price_in: 0, price_out: 0, license: '', size: null, memory: null, used: null, source: '', at: null, note: '', ...more });

/** A server that answers as `answers` says, by path; what was asked is kept. */
async function serving(answers, work) {
  const asked = [];
  const server = createServer((request, response) => {
    const [path, query = ''] = request.url.slice(1).split('?');
    asked.push({ path, query: Object.fromEntries(new URLSearchParams(query)), headers: request.headers, method: request.method });
    const answer = answers[path];
    if (answer === undefined) {
      response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"message": "Not Found"}');
    } else if (answer !== 'never') {
      const [status, body] = typeof answer === 'function' ? answer(asked.at(-1)) : [200, answer];
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body));
    }
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  try {
    await work(new Api((path, init) => fetch(`http://127.0.0.1:${server.address().port}/${path}`, init)), asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const until = async (state, fits) => {
  while (!fits()) {
    await new Promise(done => {
      const once = () => (state.changed.disconnect(once), done());
      state.changed.connect(once);
    });
  }
};

test('every request names the protocol', () =>
  serving({ about: { protocol: PROTOCOL } }, async (api, asked) => {
    await api.about();
    assert.equal(asked[0].headers['x-fmnb-protocol'], String(PROTOCOL));
  }));

test('an error is what the server says, and a missing server side is a state of its own', () =>
  serving({ default: () => [404, { message: 'No such model', detail: 'x', hint: 'Look.', upgrade: '' }] }, async api => {
    await assert.rejects(api.setDefault('x'), e => e instanceof TroubleError && e.message === 'No such model' && e.hint === 'Look.');
    await assert.rejects(api.about(), e => e.constructor.name === 'NoServerSide' && /pip install fmnb/.test(e.hint));
  }));

test('the stream of events is read across the borders of its chunks', () =>
  serving({ events: () => [200, ': here\n\ndata: {"event":"Started","run":"r","n":1}\n\n: still here\n\ndata: {"event":"Finished","run":"r","n":2}\n\n'] }, async api => {
    const found = [];
    for await (const event of api.events(new AbortController().signal)) {
      found.push(event.event);
    }
    assert.deepEqual(found, ['Started', 'Finished']);
  }));

test('words narrow the list at once and bring more from the server after a pause', () =>
  serving(
    {
      models: ({ query }) => [200, { entries: query.q ? [entry('openai:rare')] : [entry('embedded'), entry('no', { ready: 'locked' }), entry('far', { ready: '%fm pull far' })], more: {}, silent: {} }],
      hub: { models: [], trouble: '' }
    },
    async (api, asked) => {
      const c = new Catalogue(api);
      await c.refresh(true);
      assert.equal(asked[0].query.ask, '1');
      assert.deepEqual(Object.values(c.shown).map(g => g.map(e => e.model)), [['embedded'], ['far'], ['no']]);
      c.search('rare');
      assert.deepEqual(c.shown.ready, []);
      await until(c, () => c.shown.ready.length === 1 && !c.hubBusy);
      c.search('');
      assert.deepEqual(c.shown.ready.map(e => e.model), ['embedded']);
      c.dispose();
    }
  ));

test('a hub that never answers holds nothing up, and the next words take its place', () =>
  serving({ models: { entries: [entry('embedded')], more: {}, silent: {} }, hub: 'never' }, async (api, asked) => {
    const c = new Catalogue(api);
    await c.refresh(false);
    c.search('emb');
    while (!asked.some(a => a.path === 'hub')) {
      await new Promise(done => setTimeout(done, 20));
    }
    assert.ok(c.hubBusy);
    assert.equal(c.shown.ready.length, 1);
    c.search('');
    assert.ok(!c.hubBusy && c.hubTrouble === '');
    c.dispose();
  }));

test('models are ticked and unticked in the order they were taken', () => {
  const c = new Catalogue(undefined);
  for (const name of ['a', 'b', 'c', 'b']) {
    c.tick(name);
  }
  assert.deepEqual(c.ticked, ['a', 'c']);
  Signal.clearData(c);
});
