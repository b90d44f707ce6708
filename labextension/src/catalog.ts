/** State of the model list: entries, search and selection. Knows nothing of React. */

import { Signal, type ISignal } from '@lumino/signaling';
import { toErrorInfo, type Api } from './api';
import { isReady, searchTerms, matchers } from './filters';
import type { Entry, ErrorBody, HubModel, Offer } from './types';

/** Filters that have a chip. */
export const CHIPS = ['local', 'free', 'vision', 'image', 'embed', '<4GB'] as const;

export type Group = 'ready' | 'needs' | 'locked' | 'hub';
export const SERVER_SEARCH_DELAY = 250; // ms without a key press before the server is searched
export const HUB_SEARCH_DELAY = 500;

export class Catalog {
  constructor(private api: Api) {}

  /** All known entries by name: the catalog as last fetched, and results of searches. */
  entries: ReadonlyMap<string, Entry> = new Map();
  /** Models that would answer better than the embedded one, best first. */
  offers: readonly Offer[] = [];
  /** When the catalog was last fetched, in ms; 0 is never. */
  fetchedAt = 0;
  loading = false;
  error: ErrorBody | null = null;
  /** Providers that could not be queried, with the reason. */
  failures: Record<string, string> = {};

  query = '';
  chips: ReadonlySet<string> = new Set();
  selected: readonly string[] = [];

  hub: readonly HubModel[] = [];
  hubError = '';
  hubLoading = false;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Search text and pressed chips. */
  get filterText(): string {
    return [this.query.trim(), ...this.chips].filter(Boolean).join(' ');
  }

  /** The matching entries by group, in display order. */
  get groups(): Record<Exclude<Group, 'hub'>, Entry[]> {
    if (!this._groups) {
      const tests = matchers(this.filterText);
      const groups: Record<Exclude<Group, 'hub'>, Entry[]> = { ready: [], needs: [], locked: [] };
      // Results of earlier searches appear in searches only.
      for (const e of searchTerms(this.query).length ? this.entries.values() : this.base) {
        if (tests.every(test => test(e))) {
          groups[isReady(e) ? 'ready' : e.ready === 'locked' ? 'locked' : 'needs'].push(e);
        }
      }
      groups.ready.sort(compareEntries);
      this._groups = groups;
    }
    return this._groups;
  }

  search(query: string): void {
    if (query !== this.query) {
      this.query = query;
      this.queryChanged();
    }
  }

  toggleChip(filter: string): void {
    this.chips = toggled(this.chips, filter);
    this.queryChanged();
  }

  toggleSelected(name: string): void {
    this.selected = this.selected.includes(name) ? this.selected.filter(n => n !== name) : [...this.selected, name];
    this._changed.emit();
  }

  clearSelection(): void {
    this.selected = [];
    this._changed.emit();
  }

  /** Fetch the catalog again; with `ask`, query services too. The old list stays until the new one has arrived. */
  async refresh(ask: boolean): Promise<void> {
    const request = ++this.generation;
    this.loading = true;
    this._changed.emit();
    try {
      const models = await this.api.models('', ask);
      if (request === this.generation) {
        this.base = models.entries;
        this.failures = models.unreachable;
        this.offers = models.offers ?? []; // an older server part has none
        this.error = null;
        this.fetchedAt = Date.now();
        this.mergeEntries();
      }
    } catch (e) {
      if (request === this.generation) {
        this.error = toErrorInfo(e);
      }
    } finally {
      if (request === this.generation) {
        this.loading = false;
        this.emit();
      }
    }
  }

  /** Search the server for one name that the catalog does not list. */
  async searchName(name: string): Promise<void> {
    const last = name.slice(name.indexOf(':') + 1) || name;
    await this.searchServer(last.toLowerCase().split(/\s+/)[0].slice(0, 200));
  }

  dispose(): void {
    clearTimeout(this.serverTimer);
    clearTimeout(this.hubTimer);
    this.serverRequest?.abort();
    this.hubRequest?.abort();
  }

  /** Filter the list at once; search server and hub after a pause. */
  private queryChanged(): void {
    this.emit();
    clearTimeout(this.serverTimer);
    clearTimeout(this.hubTimer);
    this.serverRequest?.abort();
    this.hubRequest?.abort();
    const terms = searchTerms(this.query).join(' ');
    this.hubLoading = terms.length > 1;
    if (!terms) {
      this.hub = [];
      this.hubError = '';
      return;
    }
    this.serverTimer = setTimeout(() => void this.searchServer(this.filterText).catch(() => undefined), SERVER_SEARCH_DELAY);
    if (this.hubLoading) {
      this.hubTimer = setTimeout(() => void this.searchHub(terms), HUB_SEARCH_DELAY);
    }
  }

  private async searchServer(query: string): Promise<void> {
    this.serverRequest?.abort();
    const controller = (this.serverRequest = new AbortController());
    const { entries } = await this.api.models(query, false, controller.signal);
    for (const e of entries) {
      this.searched.set(e.model, e);
    }
    this.mergeEntries();
    this.emit();
  }

  private async searchHub(query: string): Promise<void> {
    const controller = (this.hubRequest = new AbortController());
    try {
      const results = await this.api.hub(query, '', controller.signal);
      this.hub = results.models;
      this.hubError = results.error;
    } catch (e) {
      if (!controller.signal.aborted) {
        this.hub = [];
        this.hubError = toErrorInfo(e).message;
      }
    }
    if (!controller.signal.aborted) {
      this.hubLoading = false;
      this._changed.emit();
    }
  }

  private mergeEntries(): void {
    this.entries = new Map(this.base.map(e => [e.model, e]));
    for (const [name, e] of this.searched) {
      this.entries.has(name) || (this.entries as Map<string, Entry>).set(name, e);
    }
  }

  private emit(): void {
    this._groups = undefined;
    this._changed.emit();
  }

  private base: readonly Entry[] = [];
  private searched = new Map<string, Entry>();
  private generation = 0;
  private serverTimer?: ReturnType<typeof setTimeout>;
  private hubTimer?: ReturnType<typeof setTimeout>;
  private serverRequest?: AbortController;
  private hubRequest?: AbortController;
  private _groups?: Record<Exclude<Group, 'hub'>, Entry[]>;
  private _changed = new Signal<this, void>(this);
}

function toggled<T>(set: ReadonlySet<T>, item: T): Set<T> {
  const copy = new Set(set);
  return copy.delete(item) ? copy : copy.add(item);
}

/** In memory first, then by last use, then local ones, then in the order of the catalog. */
function compareEntries(a: Entry, b: Entry): number {
  return (
    Number(b.ready === 'loaded') - Number(a.ready === 'loaded') || (b.used ?? 0) - (a.used ?? 0) || Number(b.local) - Number(a.local)
  );
}
