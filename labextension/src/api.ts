/**
 * Typed client of the server extension. Knows nothing of the page.
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
  type Tutorial,
  type TutorialCopy,
  type ErrorBody
} from './types';

/** Sends one request to `fmnb/PATH` of the server. */
export type Send = (path: string, init: RequestInit) => Promise<Response>;

/** An error in three parts: what happened, the evidence, the next step. */
export class ApiError extends Error implements ErrorBody {
  readonly detail: string;
  readonly hint: string;
  readonly upgrade: string;

  constructor(
    info: Partial<ErrorBody>,
    readonly status = 0
  ) {
    super(info.message ?? 'The request failed');
    this.detail = info.detail ?? '';
    this.hint = info.hint ?? '';
    this.upgrade = info.upgrade ?? '';
  }
}

/** The server extension is not installed; the panel shows a notice, not an error. */
export class ServerExtensionMissing extends ApiError {
  constructor() {
    super(
      {
        message: 'The server extension of fmnb is not installed',
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

  /** The catalog; `ask` also queries local servers and services with a key. */
  models(query = '', ask = false, signal?: AbortSignal): Promise<Models> {
    return this.get('models', { q: query, ask: ask ? '1' : '' }, signal);
  }

  hub(query: string, task = '', signal?: AbortSignal): Promise<HubSearch> {
    return this.get('hub', { q: query, task }, signal);
  }

  /** Size, license and free disk space of a download, before it starts. */
  plan(source: string, signal?: AbortSignal): Promise<Plan> {
    return this.get('plan', { source }, signal);
  }

  /** Set the user's default model; "" clears it. */
  setDefault(model: string): Promise<{ model: string }> {
    return this.request('PUT', 'default', { model });
  }

  /** Start a download; `events` reports its progress. */
  pull(source: string): Promise<{ run: string }> {
    return this.request('POST', 'pull', { source });
  }

  stopPull(run: string): Promise<{ run: string }> {
    return this.request('DELETE', `pull/${encodeURIComponent(run)}`);
  }

  /** Delete weights from the models folder of the server's machine. */
  remove(source: string): Promise<{ freed: number }> {
    return this.request('POST', 'remove', { source });
  }

  keys(): Promise<KeyState[]> {
    return this.get('keys');
  }

  /** The server never returns the value. */
  setKey(provider: string, key: string): Promise<KeyState> {
    return this.request('PUT', `keys/${encodeURIComponent(provider)}`, { key });
  }

  removeKey(provider: string): Promise<KeyState> {
    return this.request('DELETE', `keys/${encodeURIComponent(provider)}`);
  }

  testKey(provider: string): Promise<KeyTest> {
    return this.request('POST', `keys/${encodeURIComponent(provider)}/test`);
  }

  activity(query = '', notebook = '', limit = 50, signal?: AbortSignal): Promise<Activity> {
    return this.get('activity', { q: query, notebook, limit: String(limit) }, signal);
  }

  run(run: string): Promise<RunDetail> {
    return this.get(`runs/${encodeURIComponent(run)}`);
  }

  prompts(): Promise<PromptRow[]> {
    return this.get('prompts');
  }

  savePrompt(name: string, text: string, system = ''): Promise<PromptRow> {
    return this.request('PUT', `prompts/${encodeURIComponent(name)}`, { text, system });
  }

  removePrompt(name: string): Promise<{ name: string }> {
    return this.request('DELETE', `prompts/${encodeURIComponent(name)}`);
  }

  tutorials(): Promise<Tutorial[]> {
    return this.get('tutorials');
  }

  /** Copy a tutorial into a folder of the server's root. Nothing is overwritten. */
  copyTutorial(name: string, folder: string): Promise<TutorialCopy> {
    return this.request('POST', `tutorials/${encodeURIComponent(name)}`, { folder });
  }

  /** The events of downloads while the connection lasts. `onActivity` is called for every chunk, also for keep-alives. */
  async *events(signal: AbortSignal, onActivity = () => {}): AsyncGenerator<Event> {
    const response = await this.fetch('GET', 'events', undefined, signal);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      onActivity();
      const parts = (rest + value).split('\n\n');
      rest = parts.pop()!;
      for (const part of parts.filter(p => p.startsWith('data: '))) {
        yield JSON.parse(part.slice('data: '.length)) as Event;
      }
    }
  }

  private get<T>(path: string, params: Record<string, string> = {}, signal?: AbortSignal): Promise<T> {
    const query = new URLSearchParams(Object.entries(params).filter(([, v]) => v)).toString();
    return this.request('GET', query ? `${path}?${query}` : path, undefined, signal);
  }

  private async request<T>(method: string, path: string, body?: object, signal?: AbortSignal): Promise<T> {
    return (await this.fetch(method, path, body, signal)).json() as Promise<T>;
  }

  private async fetch(method: string, path: string, body?: object, signal?: AbortSignal): Promise<Response> {
    const headers = { 'Content-Type': 'application/json', 'X-Fmnb-Protocol': String(PROTOCOL) };
    let response: Response;
    try {
      response = await this.send(path, { method, headers, signal, body: body && JSON.stringify(body), cache: 'no-store' });
    } catch (e) {
      signal?.throwIfAborted();
      throw new ApiError({ message: 'Jupyter Server does not respond', detail: String((e as Error).message ?? e), hint: 'Is it still running?' });
    }
    if (!response.ok) {
      throw await errorFrom(response);
    }
    return response;
  }
}

async function errorFrom(response: Response): Promise<ApiError> {
  const body = await response.json().catch(() => undefined);
  // Jupyter Server's own errors have a message too, but no `upgrade`.
  if (typeof body?.upgrade === 'string') {
    return new ApiError(body, response.status);
  }
  return response.status === 404
    ? new ServerExtensionMissing()
    : new ApiError({ message: 'Jupyter Server refused the request', detail: `${response.status} ${response.statusText}` }, response.status);
}

/** Any error in the form that the panel shows. */
export function toErrorInfo(e: unknown): ErrorBody {
  return e instanceof ApiError ? e : { message: String((e as Error)?.message ?? e), detail: '', hint: '', upgrade: '' };
}
