/**
 * What the views Local, Keys, Activity and Prompts know: asked of the server when a view comes to
 * the front, kept until it is asked again. Knows nothing of React. A key passes through `setKey`
 * and stays nowhere.
 */

import { Signal, type ISignal } from '@lumino/signaling';
import type { Api } from './api';
import type { Activity, KeyState, KeyTest, Plan, PromptRow, RunDetail } from './types';

const PAUSE = 250; // ms of rest before a search is sent

export class SidebarData {
  constructor(
    private api: Api,
    private attempt: (work: () => Promise<void>) => Promise<void>
  ) {}

  keys: KeyState[] | null = null;
  readonly tests = new Map<string, KeyTest | 'asking'>();
  activity: Activity | null = null;
  words = '';
  prompts: PromptRow[] | null = null;
  /** A download that waits for a yes. */
  plan: Plan | null = null;
  /** What the server is being asked about, for a plan. */
  considered = '';

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Ask for what a view shows. */
  async open(view: string, notebook: string): Promise<void> {
    if (view === 'keys') {
      await this.get(async () => void (this.keys = await this.api.keys()));
    } else if (view === 'prompts') {
      await this.get(async () => void (this.prompts = await this.api.prompts()));
    } else if (view === 'activity') {
      await this.look(notebook);
    }
  }

  setKey(provider: string, key: string): Promise<void> {
    return this.get(async () => this.replace(await this.api.setKey(provider, key)));
  }

  removeKey(provider: string): Promise<void> {
    return this.get(async () => this.replace(await this.api.removeKey(provider)));
  }

  /** One cheap call with the key. */
  async testKey(provider: string): Promise<void> {
    this.tests.set(provider, 'asking');
    this._changed.emit();
    await this.get(async () => void this.tests.set(provider, await this.api.testKey(provider)));
    if (this.tests.get(provider) === 'asking') {
      this.tests.delete(provider);
    }
    this._changed.emit();
  }

  /** Recent runs that hold these words, and what was spent. The last question wins. */
  search(words: string, notebook: string): void {
    this.words = words;
    this._changed.emit();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(notebook), PAUSE);
  }

  run(run: string): Promise<RunDetail> {
    return this.api.run(run);
  }

  /** The whole question of a run: the log's list has its beginning only. */
  async questionOf(run: string): Promise<{ model: string; text: string }> {
    const { row, request, events } = await this.api.run(run);
    const messages = (request?.messages ?? []) as { role: string; parts: { text?: string }[] }[];
    const last = messages.filter(m => m.role === 'user').pop();
    const begun = (events.find(e => e.event === 'Started')?.meta ?? {}) as { asked?: string };
    return { model: begun.asked || row.model, text: last?.parts.map(p => p.text ?? '').join('') || row.prompt };
  }

  /** What a download would bring, shown before it begins. The last question wins. */
  async ask(source: string): Promise<void> {
    this.drop();
    const { signal } = (this.considering = new AbortController());
    this.considered = source;
    await this.get(async () => {
      try {
        this.plan = await this.api.plan(source, signal);
      } catch (e) {
        if (!signal.aborted) {
          throw e;
        }
      } finally {
        if (!signal.aborted) {
          this.considered = '';
        }
      }
    });
  }

  drop(): void {
    this.considering?.abort();
    this.considered = '';
    this.plan = null;
    this._changed.emit();
  }

  async remove(source: string): Promise<number> {
    let freed = 0;
    await this.get(async () => void (freed = (await this.api.remove(source)).freed));
    return freed;
  }

  savePrompt(name: string, text: string, system: string): Promise<void> {
    return this.get(async () => {
      await this.api.savePrompt(name, text, system);
      this.prompts = await this.api.prompts();
    });
  }

  removePrompt(name: string): Promise<void> {
    return this.get(async () => {
      await this.api.removePrompt(name);
      this.prompts = await this.api.prompts();
    });
  }

  private async look(notebook: string): Promise<void> {
    this.asking?.abort();
    const { signal } = (this.asking = new AbortController());
    await this.get(async () => {
      try {
        this.activity = await this.api.activity(this.words, notebook, 50, signal);
      } catch (e) {
        if (!signal.aborted) {
          throw e;
        }
      }
    });
  }

  private replace(state: KeyState): void {
    this.keys = this.keys?.map(k => (k.provider === state.provider ? state : k)) ?? null;
    this.tests.delete(state.provider);
  }

  private async get(work: () => Promise<void>): Promise<void> {
    await this.attempt(work);
    this._changed.emit();
  }

  private timer?: ReturnType<typeof setTimeout>;
  private asking?: AbortController;
  private considering?: AbortController;
  private _changed = new Signal<this, void>(this);
}
