/** The part of the state that is the list of models: what is known, what is searched, what is ticked. Knows nothing of React. */

import { Signal, type ISignal } from '@lumino/signaling';
import { trouble, type Api } from './api';
import { isReady, plainWords, tests } from './filters';
import type { Entry, HubModel, Trouble } from './types';

/** Words that stand on chips. */
export const CHIPS = ['local', 'free', 'vision', 'image', 'embed', '<4GB'] as const;

export type Group = 'ready' | 'needs' | 'locked' | 'hub';
export const WIDER_AFTER = 250; // ms without a key before the server is asked for more of the same words
export const HUB_AFTER = 500;

export class Catalogue {
  constructor(private api: Api) {}

  /** Everything that is known, by name: the catalogue as last asked, and what searches brought. */
  known: ReadonlyMap<string, Entry> = new Map();
  /** When the catalogue was last asked, in ms; 0 is never. */
  asked = 0;
  busy = false;
  trouble: Trouble | null = null;
  /** Why a provider could not be asked. */
  silent: Record<string, string> = {};

  query = '';
  chips: ReadonlySet<string> = new Set();
  ticked: readonly string[] = [];

  hub: readonly HubModel[] = [];
  hubTrouble = '';
  hubBusy = false;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The words of box and chips together. */
  get words(): string {
    return [this.query.trim(), ...this.chips].filter(Boolean).join(' ');
  }

  /** The entries that fit, group by group: the order of the page. */
  get shown(): Record<Exclude<Group, 'hub'>, Entry[]> {
    if (!this._shown) {
      const all = tests(this.words);
      const found: Record<Exclude<Group, 'hub'>, Entry[]> = { ready: [], needs: [], locked: [] };
      // What earlier searches brought is shown to searches alone.
      for (const e of plainWords(this.query).length ? this.known.values() : this.base) {
        if (all.every(test => test(e))) {
          found[isReady(e) ? 'ready' : e.ready === 'locked' ? 'locked' : 'needs'].push(e);
        }
      }
      found.ready.sort(byUse);
      this._shown = found;
    }
    return this._shown;
  }

  search(query: string): void {
    if (query !== this.query) {
      this.query = query;
      this.narrow();
    }
  }

  toggleChip(word: string): void {
    this.chips = toggled(this.chips, word);
    this.narrow();
  }

  tick(name: string): void {
    this.ticked = this.ticked.includes(name) ? this.ticked.filter(n => n !== name) : [...this.ticked, name];
    this._changed.emit();
  }

  clearTicks(): void {
    this.ticked = [];
    this._changed.emit();
  }

  /** Ask for the catalogue anew; with `ask`, services too. What is shown stays until the answer is there. */
  async refresh(ask: boolean): Promise<void> {
    const turn = ++this.turn;
    this.busy = true;
    this._changed.emit();
    try {
      const found = await this.api.models('', ask);
      if (turn === this.turn) {
        this.base = found.entries;
        this.silent = found.silent;
        this.trouble = null;
        this.asked = Date.now();
        this.collect();
      }
    } catch (e) {
      if (turn === this.turn) {
        this.trouble = trouble(e);
      }
    } finally {
      if (turn === this.turn) {
        this.busy = false;
        this.emit();
      }
    }
  }

  /** Look for one name that the catalogue does not list by itself; true once it was asked for. */
  async lookFor(name: string): Promise<void> {
    const last = name.slice(name.indexOf(':') + 1) || name;
    await this.widen(last.toLowerCase().split(/\s+/)[0].slice(0, 200));
  }

  dispose(): void {
    clearTimeout(this.widerTimer);
    clearTimeout(this.hubTimer);
    this.widerAsk?.abort();
    this.hubAsk?.abort();
  }

  /** The words changed: the list follows at once, server and hub after a pause. */
  private narrow(): void {
    this.emit();
    clearTimeout(this.widerTimer);
    clearTimeout(this.hubTimer);
    this.widerAsk?.abort();
    this.hubAsk?.abort();
    const plain = plainWords(this.query).join(' ');
    this.hubBusy = plain.length > 1;
    if (!plain) {
      this.hub = [];
      this.hubTrouble = '';
      return;
    }
    this.widerTimer = setTimeout(() => void this.widen(this.words).catch(() => undefined), WIDER_AFTER);
    if (this.hubBusy) {
      this.hubTimer = setTimeout(() => void this.askHub(plain), HUB_AFTER);
    }
  }

  private async widen(words: string): Promise<void> {
    this.widerAsk?.abort();
    const ask = (this.widerAsk = new AbortController());
    const { entries } = await this.api.models(words, false, ask.signal);
    for (const e of entries) {
      this.wider.set(e.model, e);
    }
    this.collect();
    this.emit();
  }

  private async askHub(words: string): Promise<void> {
    const ask = (this.hubAsk = new AbortController());
    try {
      const found = await this.api.hub(words, '', ask.signal);
      this.hub = found.models;
      this.hubTrouble = found.trouble;
    } catch (e) {
      if (!ask.signal.aborted) {
        this.hub = [];
        this.hubTrouble = trouble(e).message;
      }
    }
    if (!ask.signal.aborted) {
      this.hubBusy = false;
      this._changed.emit();
    }
  }

  private collect(): void {
    this.known = new Map(this.base.map(e => [e.model, e]));
    for (const [name, e] of this.wider) {
      this.known.has(name) || (this.known as Map<string, Entry>).set(name, e);
    }
  }

  private emit(): void {
    this._shown = undefined;
    this._changed.emit();
  }

  private base: readonly Entry[] = [];
  private wider = new Map<string, Entry>();
  private turn = 0;
  private widerTimer?: ReturnType<typeof setTimeout>;
  private hubTimer?: ReturnType<typeof setTimeout>;
  private widerAsk?: AbortController;
  private hubAsk?: AbortController;
  private _shown?: Record<Exclude<Group, 'hub'>, Entry[]>;
  private _changed = new Signal<this, void>(this);
}

function toggled<T>(set: ReadonlySet<T>, item: T): Set<T> {
  const copy = new Set(set);
  return copy.delete(item) ? copy : copy.add(item);
}

/** In memory first, then by last use, then local ones, then as the catalogue has it. */
function byUse(a: Entry, b: Entry): number {
  return (
    Number(b.ready === 'loaded') - Number(a.ready === 'loaded') || (b.used ?? 0) - (a.used ?? 0) || Number(b.local) - Number(a.local)
  );
}
