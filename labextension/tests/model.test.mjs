/** The state against a real server over real HTTP; without notebooks and kernels. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';
import { Signal } from '@lumino/signaling';
import { Api, ApiError } from '../lib/api.js';
import { Catalog } from '../lib/catalog.js';
import { PROTOCOL } from '../lib/types.js';

const entry = (model, more) => ({ model, provider: model.split(':')[0], ready: 'yes', host: 'local', local: true, context: null, inputs: ['text'], outputs: ['text'], chat: true, price_in: 0, price_out: 0, license: '', size: null, memory: null, used: null, source: '', at: null, note: '', ...more });

/** A server with an answer for each path; it records the requests. */
async function serving(answers, work) {
  const requests = [];
  const server = createServer((request, response) => {
    const [path, query = ''] = request.url.slice(1).split('?');
    requests.push({ path, query: Object.fromEntries(new URLSearchParams(query)), headers: request.headers, method: request.method });
    const answer = answers[path];
    if (answer === undefined) {
      response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"message": "Not Found"}');
    } else if (answer !== 'never') {
      const [status, body] = typeof answer === 'function' ? answer(requests.at(-1)) : [200, answer];
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body));
    }
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  try {
    await work(new Api((path, init) => fetch(`http://127.0.0.1:${server.address().port}/${path}`, init)), requests);
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
  serving({ about: { protocol: PROTOCOL } }, async (api, requests) => {
    await api.about();
    assert.equal(requests[0].headers['x-fmnb-protocol'], String(PROTOCOL));
  }));

test('an error is that of the server, and a missing server extension has its own class', () =>
  serving({ default: () => [404, { message: 'No such model', detail: 'x', hint: 'Look.', upgrade: '' }] }, async api => {
    await assert.rejects(api.setDefault('x'), e => e instanceof ApiError && e.message === 'No such model' && e.hint === 'Look.');
    await assert.rejects(api.about(), e => e.constructor.name === 'ServerExtensionMissing' && /pip install fmnb/.test(e.hint));
  }));

test('the stream of events is read across the borders of its chunks', () =>
  serving({ events: () => [200, ': here\n\ndata: {"event":"Started","run":"r","n":1}\n\n: still here\n\ndata: {"event":"Finished","run":"r","n":2}\n\n'] }, async api => {
    const found = [];
    for await (const event of api.events(new AbortController().signal)) {
      found.push(event.event);
    }
    assert.deepEqual(found, ['Started', 'Finished']);
  }));

test('a search filters the list at once and asks the server after a pause', () =>
  serving(
    {
      models: ({ query }) => [200, { entries: query.q ? [entry('openai:rare')] : [entry('embedded'), entry('no', { ready: 'locked' }), entry('far', { ready: '%fm pull far' })], more: {}, silent: {} }],
      hub: { models: [], trouble: '' }
    },
    async (api, requests) => {
      const c = new Catalog(api);
      await c.refresh(true);
      assert.equal(requests[0].query.ask, '1');
      assert.deepEqual(Object.values(c.groups).map(g => g.map(e => e.model)), [['embedded'], ['far'], ['no']]);
      c.search('rare');
      assert.deepEqual(c.groups.ready, []);
      await until(c, () => c.groups.ready.length === 1 && !c.hubLoading);
      c.search('');
      assert.deepEqual(c.groups.ready.map(e => e.model), ['embedded']);
      c.dispose();
    }
  ));

test('a hub that never responds blocks nothing, and the next search replaces it', () =>
  serving({ models: { entries: [entry('embedded')], more: {}, silent: {} }, hub: 'never' }, async (api, requests) => {
    const c = new Catalog(api);
    await c.refresh(false);
    c.search('emb');
    while (!requests.some(a => a.path === 'hub')) {
      await new Promise(done => setTimeout(done, 20));
    }
    assert.ok(c.hubLoading);
    assert.equal(c.groups.ready.length, 1);
    c.search('');
    assert.ok(!c.hubLoading && c.hubError === '');
    c.dispose();
  }));

test('models are selected and deselected in order', () => {
  const c = new Catalog(undefined);
  for (const name of ['a', 'b', 'c', 'b']) {
    c.toggleSelected(name);
  }
  assert.deepEqual(c.selected, ['a', 'c']);
  Signal.clearData(c);
});
