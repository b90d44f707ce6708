/**
 * Every question to the server side of fmnb, typed. Knows nothing of the page.
 *
 * `send` is what reaches the server: in JupyterLab `ServerConnection.makeRequest`, which adds
 * token and XSRF header and keeps the base URL (see `index.ts`); in tests a plain fetch.
 */

import {
  PROTOCOL,
  type About,
  type Activity,
  type Event,
  type HubSearch,
  type KeyState,
  type KeyTest,
  type Models,
  type Plan,
  type PromptRow,
  type RunDetail,
  type Trouble
} from './types';

/** Sends one request to `fmnb/PATH` of the server. */
export type Send = (path: string, init: RequestInit) => Promise<Response>;

/** An error as the server words it: what happened, what was seen, what to do. */
export class TroubleError extends Error implements Trouble {
  readonly detail: string;
  readonly hint: string;
  readonly upgrade: string;

  constructor(
    trouble: Partial<Trouble>,
    readonly status = 0
  ) {
    super(trouble.message ?? 'The request failed');
    this.detail = trouble.detail ?? '';
    this.hint = trouble.hint ?? '';
    this.upgrade = trouble.upgrade ?? '';
  }
}

/** There is no server extension: a state of the panel, not a failure. */
export class NoServerSide extends TroubleError {
  constructor() {
    super(
      {
        message: 'The server side of fmnb is not there',
        hint: 'Run `pip install fmnb` where Jupyter Server runs, and restart it. Cells work without it.'
      },
      404
    );
  }
}

export class Api {
  constructor(private send: Send) {}

  about(): Promise<About> {
    return this.get('about');
  }

  /** The catalogue; `ask` lets servers on that machine and services with a key be asked anew. */
  models(words = '', ask = false, signal?: AbortSignal): Promise<Models> {
    return this.get('models', { q: words, ask: ask ? '1' : '' }, signal);
  }

  hub(words: string, task = '', signal?: AbortSignal): Promise<HubSearch> {
    return this.get('hub', { q: words, task }, signal);
  }

  /** What pulling a source would bring. */
  plan(source: string, signal?: AbortSignal): Promise<Plan> {
    return this.get('plan', { source }, signal);
  }

  /** The user's default model; "" takes it back. */
  setDefault(model: string): Promise<{ model: string }> {
    return this.ask('PUT', 'default', { model });
  }

  /** Begin a download; its progress comes through `events`. */
  pull(source: string): Promise<{ run: string }> {
    return this.ask('POST', 'pull', { source });
  }

  stopPull(run: string): Promise<{ run: string }> {
    return this.ask('DELETE', `pull/${encodeURIComponent(run)}`);
  }

  /** Delete weights of that machine's models folder. */
  remove(source: string): Promise<{ freed: number }> {
    return this.ask('POST', 'remove', { source });
  }

  keys(): Promise<KeyState[]> {
    return this.get('keys');
  }

  /** The value goes out and never comes back. */
  setKey(provider: string, key: string): Promise<KeyState> {
    return this.ask('PUT', `keys/${encodeURIComponent(provider)}`, { key });
  }

  removeKey(provider: string): Promise<KeyState> {
    return this.ask('DELETE', `keys/${encodeURIComponent(provider)}`);
  }

  testKey(provider: string): Promise<KeyTest> {
    return this.ask('POST', `keys/${encodeURIComponent(provider)}/test`);
  }

  activity(words = '', notebook = '', limit = 50, signal?: AbortSignal): Promise<Activity> {
    return this.get('activity', { q: words, notebook, limit: String(limit) }, signal);
  }

  run(run: string): Promise<RunDetail> {
    return this.get(`runs/${encodeURIComponent(run)}`);
  }

  prompts(): Promise<PromptRow[]> {
    return this.get('prompts');
  }

  savePrompt(name: string, text: string, system = ''): Promise<PromptRow> {
    return this.ask('PUT', `prompts/${encodeURIComponent(name)}`, { text, system });
  }

  removePrompt(name: string): Promise<{ name: string }> {
    return this.ask('DELETE', `prompts/${encodeURIComponent(name)}`);
  }

  /** The events of downloads, as long as the connection lasts; `heard` with every sign of life, also on a silent one. */
  async *events(signal: AbortSignal, heard = () => {}): AsyncGenerator<Event> {
    const response = await this.fetch('GET', 'events', undefined, signal);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      heard();
      const parts = (rest + value).split('\n\n');
      rest = parts.pop()!;
      for (const part of parts.filter(p => p.startsWith('data: '))) {
        yield JSON.parse(part.slice('data: '.length)) as Event;
      }
    }
  }

  private get<T>(path: string, words: Record<string, string> = {}, signal?: AbortSignal): Promise<T> {
    const query = new URLSearchParams(Object.entries(words).filter(([, v]) => v)).toString();
    return this.ask('GET', query ? `${path}?${query}` : path, undefined, signal);
  }

  private async ask<T>(method: string, path: string, body?: object, signal?: AbortSignal): Promise<T> {
    return (await this.fetch(method, path, body, signal)).json() as Promise<T>;
  }

  private async fetch(method: string, path: string, body?: object, signal?: AbortSignal): Promise<Response> {
    const headers = { 'Content-Type': 'application/json', 'X-Fmnb-Protocol': String(PROTOCOL) };
    let response: Response;
    try {
      response = await this.send(path, { method, headers, signal, body: body && JSON.stringify(body), cache: 'no-store' });
    } catch (e) {
      signal?.throwIfAborted();
      throw new TroubleError({ message: 'Jupyter Server does not answer', detail: String((e as Error).message ?? e), hint: 'Is it still running?' });
    }
    if (!response.ok) {
      throw await troubleOf(response);
    }
    return response;
  }
}

async function troubleOf(response: Response): Promise<TroubleError> {
  const said = await response.json().catch(() => undefined);
  // Jupyter Server's own errors have a message too, but no `upgrade`.
  if (typeof said?.upgrade === 'string') {
    return new TroubleError(said, response.status);
  }
  return response.status === 404
    ? new NoServerSide()
    : new TroubleError({ message: 'Jupyter Server refused the request', detail: `${response.status} ${response.statusText}` }, response.status);
}

/** Any error as words for the panel. */
export function trouble(e: unknown): Trouble {
  return e instanceof TroubleError ? e : { message: String((e as Error)?.message ?? e), detail: '', hint: '', upgrade: '' };
}
