/**
 * Data of the views Local, Keys, Activity and Prompts: fetched from the server when a view is
 * shown, kept until the next fetch. Knows nothing of React. `setKey` passes a key on and stores
 * it nowhere.
 */

import { Signal, type ISignal } from '@lumino/signaling';
import type { Api } from './api';
import type { Activity, KeyState, KeyTest, Plan, PromptRow, RunDetail } from './types';

const PAUSE = 250; // ms without typing before a search is sent

export class SidebarData {
  constructor(
    private api: Api,
    private attempt: (work: () => Promise<void>) => Promise<void>
  ) {}

  keys: KeyState[] | null = null;
  /** The provider whose key is being entered, "" for none. */
  openedKey = '';
  readonly tests = new Map<string, KeyTest | 'testing'>();
  activity: Activity | null = null;
  query = '';
  prompts: PromptRow[] | null = null;
  /** A download that waits for confirmation. */
  plan: Plan | null = null;
  /** The source whose plan is being fetched. */
  planSource = '';

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Fetch the data of a view. */
  async open(view: string, notebook: string): Promise<void> {
    if (view === 'keys') {
      await this.get(async () => void (this.keys = await this.api.keys()));
    } else if (view === 'prompts') {
      await this.get(async () => void (this.prompts = await this.api.prompts()));
    } else if (view === 'activity') {
      await this.loadActivity(notebook);
    }
  }

  /** Open the field for a provider's key; "" closes it. */
  openKey(provider: string): void {
    this.openedKey = provider;
    this._changed.emit();
  }

  setKey(provider: string, key: string): Promise<void> {
    return this.get(async () => this.replace(await this.api.setKey(provider, key)));
  }

  removeKey(provider: string): Promise<void> {
    return this.get(async () => this.replace(await this.api.removeKey(provider)));
  }

  /** One cheap call with the key. */
  async testKey(provider: string): Promise<void> {
    this.tests.set(provider, 'testing');
    this._changed.emit();
    await this.get(async () => void this.tests.set(provider, await this.api.testKey(provider)));
    if (this.tests.get(provider) === 'testing') {
      this.tests.delete(provider);
    }
    this._changed.emit();
  }

  /** Search recent runs and their cost. The last search wins. */
  search(query: string, notebook: string): void {
    this.query = query;
    this._changed.emit();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.loadActivity(notebook), PAUSE);
  }

  run(run: string): Promise<RunDetail> {
    return this.api.run(run);
  }

  /** The full prompt of a run; the list of runs has only its beginning. */
  async promptOfRun(run: string): Promise<{ model: string; text: string }> {
    const { row, request, events } = await this.api.run(run);
    const messages = (request?.messages ?? []) as { role: string; parts: { text?: string }[] }[];
    const last = messages.filter(m => m.role === 'user').pop();
    const meta = (events.find(e => e.event === 'Started')?.meta ?? {}) as { asked?: string };
    return { model: meta.asked || row.model, text: last?.parts.map(p => p.text ?? '').join('') || row.prompt };
  }

  /** Fetch the plan of a download, shown before it starts. The last request wins. */
  async requestPlan(source: string): Promise<void> {
    this.dismissPlan();
    const { signal } = (this.planRequest = new AbortController());
    this.planSource = source;
    await this.get(async () => {
      try {
        this.plan = await this.api.plan(source, signal);
      } catch (e) {
        if (!signal.aborted) {
          throw e;
        }
      } finally {
        if (!signal.aborted) {
          this.planSource = '';
        }
      }
    });
  }

  dismissPlan(): void {
    this.planRequest?.abort();
    this.planSource = '';
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

  private async loadActivity(notebook: string): Promise<void> {
    this.activityRequest?.abort();
    const { signal } = (this.activityRequest = new AbortController());
    await this.get(async () => {
      try {
        this.activity = await this.api.activity(this.query, notebook, 50, signal);
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
  private activityRequest?: AbortController;
  private planRequest?: AbortController;
  private _changed = new Signal<this, void>(this);
}
