/**
 * The state of panel, toolbar button, status item and picker. Views read it and call it; it talks
 * to the server and the kernels. Knows nothing of React.
 *
 *     catalog      the list of models, its search and selection         (catalog.ts)
 *     notebooks    the current notebook and its model                   (notebooks.ts)
 *     kernels      the kernels that have loaded fmnb                    (kernels.ts)
 *     runs         runs in progress, folded from events                 (fold.ts)
 *     data         data of the other views: keys, activity, prompts     (sidebarData.ts)
 */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { Signal, type ISignal } from '@lumino/signaling';
import { ServerExtensionMissing, toErrorInfo, type Api } from './api';
import { Catalog } from './catalog';
import { SidebarData } from './sidebarData';
import { fold, isActive, markLost, type Run } from './fold';
import type { Kernels, FmnbKernel, Loaded, StopResult } from './kernels';
import { availabilityOf, type Availability } from './modelNames';
import { notebookModel, setNotebookModel, type Notebooks } from './notebooks';
import { PROTOCOL, type About, type ErrorBody, type Event } from './types';

const STALE_AFTER = 60_000; // ms after which the catalog is fetched again when the panel is shown
const MAX_ENDED_RUNS = 200; // ended runs to keep
const SILENCE_TIMEOUT = 45_000; // ms without data after which a connection counts as broken; the server sends a keep-alive every 15 s
const SETTLE_TIME = 2000; // ms within which the server reports all running downloads

const BUILT_IN = 'embedded'; // answers where nothing is chosen; same as in fmnb/calls/session.py
export const BUILT_IN_BY = 'built in';

/** The model that a cell without a model name uses, where the choice comes from, and the next step if it cannot answer yet. */
export interface CurrentModel extends Availability {
  model: string;
  by: string;
  invalidReason: string;
}

export class SidebarModel {
  readonly catalog: Catalog;
  readonly data: SidebarData;

  constructor(
    readonly api: Api,
    readonly notebooks: Notebooks,
    readonly kernels: Kernels
  ) {
    this.catalog = new Catalog(api);
    this.data = new SidebarData(api, work => this.attempt(work));
    this.data.changed.connect(() => this._changed.emit());
    notebooks.choiceChanged.connect((_, panel) => kernels.sendChoice(panel));
    notebooks.changed.connect(() => this._changed.emit());
    kernels.changed.connect(() => this._changed.emit());
    kernels.event.connect((_, { kernel, event }) => this.addEvent(event, kernel));
    kernels.disconnected.connect((_, kernel) => this.markRunsLost(kernel));
    this.catalog.changed.connect(() => this._changed.emit());
  }

  /** What the server reports about itself, or why it is missing. */
  about: About | null = null;
  serverMissing = false;
  serverError: ErrorBody | null = null;

  /** The last error; shown until it is dismissed or the next action starts. */
  error: ErrorBody | null = null;
  /** The last action, for screen readers. */
  status = '';

  /** The selected view, an id of `views/tabs.ts`. */
  tab = 'models';
  compact = false;
  askOnOpen = true;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Runs were added or changed. Separate from `changed`, since it is emitted several times a second. */
  get runsChanged(): ISignal<this, void> {
    return this._runsChanged;
  }

  /** Runs by id, the newest last. */
  get runs(): ReadonlyMap<string, Run> {
    return this._runs;
  }

  /** The kernel of a run, "" for the server. */
  kernelOf(run: string): string {
    return this.kernelByRun.get(run) ?? '';
  }

  get notebook(): NotebookPanel | null {
    return this.notebooks.current;
  }

  /** The current model of a notebook: the kernel's, else the one in its metadata, else the default, else the model that comes with fmnb. */
  currentModel(panel = this.notebook): CurrentModel {
    const { model: chosen, invalidReason } = panel ? notebookModel(panel) : { model: '', invalidReason: '' };
    const kernel = this.kernels.of(panel)?.state;
    const [model, by] = kernel?.model && kernel.by !== BUILT_IN_BY
      ? [kernel.model, kernel.by]
      : chosen
        ? [chosen, 'this notebook']
        : this.about?.default_model
          ? [this.about.default_model, 'default']
          : [BUILT_IN, BUILT_IN_BY];
    return { model, by, invalidReason, ...this.availability(model) };
  }

  /** Whether a model can be used here. The first call for a name that is not listed searches the server. */
  availability(name: string): Availability {
    const entries = this.catalog.entries;
    if (!entries.has(name) && this.catalog.fetchedAt && !this.searchedNames.has(name)) {
      this.searchedNames.set(name, false);
      void this.catalog.searchName(name).then(
        () => (this.searchedNames.set(name, true), this._changed.emit()),
        () => this.searchedNames.delete(name)
      );
    }
    return availabilityOf(name, entries, this.searchedNames.get(name) === true);
  }

  /** The panel was shown: load the server info, and refresh a stale list. */
  async open(): Promise<void> {
    if (!this.about) {
      await this.loadServerInfo();
    }
    if (this.about && Date.now() - this.catalog.fetchedAt > STALE_AFTER) {
      await this.catalog.refresh(this.askOnOpen);
    }
  }

  /** Fetch everything again. */
  async refresh(): Promise<void> {
    await this.loadServerInfo();
    if (this.about) {
      this.searchedNames.clear();
      await this.catalog.refresh(true);
    }
  }

  show(tab: string): void {
    if (tab !== this.tab) {
      this.tab = tab;
      this._changed.emit();
    }
  }

  set(values: Partial<Pick<SidebarModel, 'compact' | 'askOnOpen'>>): void {
    Object.assign(this, values);
    this._changed.emit();
  }

  /** "Use in this notebook": writes the name to the notebook metadata; its kernel applies it from the next cell. "" clears it. */
  use(model: string): void {
    if (this.notebook) {
      setNotebookModel(this.notebook, model);
      this.announce(model ? `${model} is this notebook’s model` : 'The model of this notebook was cleared');
    }
  }

  /** "Default everywhere": writes the name to the user's settings. "" clears it. */
  setDefault(model: string): Promise<void> {
    return this.attempt(async () => {
      await this.api.setDefault(model);
      this.about = this.about && { ...this.about, default_model: model };
      this.announce(model ? `${model} is the default everywhere` : 'The default model was cleared');
    });
  }

  /** Download weights to the server's machine; the download is a run. */
  pull(source: string): Promise<void> {
    return this.attempt(async () => {
      this.followDownloads();
      await Promise.race([this.eventsConnected, new Promise(done => setTimeout(done, SETTLE_TIME))]);
      await this.api.pull(source);
      this.announce(`Downloading ${source}`);
    });
  }

  /** Load weights into a kernel's memory, with a call of one token in the kernel. */
  load(found: FmnbKernel, name: string): Promise<void> {
    return this.inKernel(found, name, `__import__("fmnb.calls.check_model", fromlist=["check_model"]).check_model(${JSON.stringify(name)})`);
  }

  /** Unload a model from a kernel's memory. */
  unload(found: FmnbKernel, { name, path, engine }: Loaded): Promise<void> {
    return this.inKernel(found, name, `__import__("fmnb.engines.loaded", fromlist=["unload"]).unload(${JSON.stringify(path)}, ${JSON.stringify(engine)})`);
  }

  /** Whether a kernel loads or unloads a model for the panel, or will when its cell has ended. */
  isLoading({ kernel }: FmnbKernel, name: string): boolean {
    return this._loadingModels.has(`${kernel.id} ${name}`);
  }

  /** Stop a run: a download of the server, or a call of a kernel. */
  async stop(run: string): Promise<StopResult | undefined> {
    const kernel = this.kernelOf(run);
    let how: StopResult | undefined;
    await this.attempt(async () => {
      if (!kernel) {
        await this.api.stopPull(run);
        return;
      }
      how = await this.kernels.stop(kernel, this.stoppableRuns(run));
      if (how === 'interrupted') {
        this.announce('This kernel cannot stop a single run: the whole cell was interrupted');
      }
    });
    return how;
  }

  /** Follow downloads for as long as the page lives. Calling it twice has no effect. */
  followDownloads(): void {
    if (!this.eventsAbort) {
      this.eventsAbort = new AbortController();
      this.eventsConnected = new Promise(connected => void this.followEvents(connected));
    }
  }

  /** Run something that may fail; its error is shown in the panel, never thrown. */
  async attempt(work: () => Promise<void>): Promise<void> {
    this.error = null;
    try {
      await work();
    } catch (e) {
      this.error = toErrorInfo(e);
    }
    this._changed.emit();
  }

  dismiss(): void {
    this.error = null;
    this._changed.emit();
  }

  announce(message: string): void {
    this.status = message;
    this._changed.emit();
  }

  /** Apply one event of a run; `kernel` is "" for the server. */
  addEvent(event: Event, kernel = ''): void {
    const before = this._runs.get(event.run);
    const now = fold(before, event);
    if (now === before) {
      return;
    }
    this._runs.set(event.run, now);
    this.kernelByRun.set(event.run, kernel);
    this.prune();
    this._runsChanged.emit();
    if (!isActive(now) && now.kind === 'download' && now.state === 'finished') {
      void this.catalog.refresh(false);
    }
  }

  dispose(): void {
    this.eventsAbort?.abort();
    this.eventsAbort = undefined;
    this.catalog.dispose();
    Signal.clearData(this);
  }

  /** Load the version, machine and settings of the server. */
  async loadServerInfo(): Promise<void> {
    this.serverMissing = false;
    this.serverError = null;
    try {
      const about = await this.api.about();
      if (about.protocol === PROTOCOL) {
        this.about = about;
      } else {
        const side = about.protocol < PROTOCOL ? 'where Jupyter Server runs and restart it' : 'where JupyterLab runs and reload this page';
        this.serverError = {
          message: 'The page and the server use different protocol versions of fmnb',
          detail: `${PROTOCOL} and ${about.protocol}`,
          hint: `Upgrade fmnb ${side}.`,
          upgrade: side
        };
      }
    } catch (e) {
      this.serverMissing = e instanceof ServerExtensionMissing;
      this.serverError = toErrorInfo(e);
    }
    if (this.serverError) {
      this.about = null;
    }
    this._changed.emit();
  }

  /** One connection, reopened with backoff when it breaks or times out. */
  private async followEvents(connected: () => void): Promise<void> {
    for (let pause = 1000; this.eventsAbort; pause = Math.min(2 * pause, 60_000)) {
      const abort = (this.eventsAbort = new AbortController());
      let timeout: ReturnType<typeof setTimeout> | undefined;
      let pending: Set<string> | undefined;
      const onActivity = () => {
        clearTimeout(timeout);
        timeout = setTimeout(() => abort.abort(), SILENCE_TIMEOUT);
        if (!pending) {
          pause = 1000;
          connected();
          pending = this.catchUp();
        }
      };
      try {
        for await (const event of this.api.events(abort.signal, onActivity)) {
          pending?.delete(event.run);
          this.addEvent(event);
        }
      } catch (e) {
        if (e instanceof ServerExtensionMissing) {
          this.eventsAbort = undefined;
        }
      }
      clearTimeout(timeout);
      if (this.eventsAbort) {
        await new Promise(done => setTimeout(done, pause));
      }
    }
  }

  /** Reconnected: the server reports running downloads; the log has the end of the others. */
  private catchUp(): Set<string> {
    const awaited = new Set([...this._runs.values()].filter(r => isActive(r) && !this.kernelByRun.get(r.run)).map(r => r.run));
    if (this.serverError) {
      void this.loadServerInfo();
    }
    setTimeout(async () => {
      for (const run of awaited) {
        const events = await this.api.run(run).then(found => found.events, () => []);
        events.forEach(e => this.addEvent(e as unknown as Event));
        const now = this._runs.get(run);
        if (now && isActive(now)) {
          this._runs.set(run, markLost(now, 'the server was restarted; the next download resumes'));
          this._runsChanged.emit();
        }
      }
    }, SETTLE_TIME);
    return awaited;
  }

  /** The runs that a kernel can stop by themselves: a call, or the calls of a comparison. Empty if only an interrupt works. */
  private stoppableRuns(run: string): string[] {
    const kind = this._runs.get(run)?.kind ?? 'call';
    return kind === 'call' ? [run] : [...this._runs.values()].filter(r => r.parent === run && isActive(r)).map(r => r.run);
  }

  /** Run code silently in a kernel. Afterwards the kernel reports its state, and the server its free memory. */
  private inKernel(found: FmnbKernel, name: string, code: string): Promise<void> {
    const { kernel, comm } = found;
    const key = `${kernel.id} ${name}`;
    this._loadingModels.add(key);
    return this.attempt(async () => {
      this._changed.emit();
      try {
        const { content } = await kernel.requestExecute({ code, silent: true, store_history: false, stop_on_error: false }).done;
        if (content.status === 'error') {
          throw new Error(`${content.ename}: ${content.evalue}`);
        }
      } finally {
        this._loadingModels.delete(key);
        this._changed.emit();
      }
      comm.send({ protocol: PROTOCOL });
      await this.loadServerInfo();
    });
  }

  private markRunsLost(kernel: string): void {
    for (const [id, run] of this._runs) {
      if (this.kernelByRun.get(id) === kernel && isActive(run)) {
        this._runs.set(id, markLost(run, 'the kernel was restarted'));
      }
    }
    this._runsChanged.emit();
  }

  private prune(): void {
    let ended = [...this._runs.values()].filter(r => !isActive(r)).length;
    for (const [id, run] of this._runs) {
      if (ended <= MAX_ENDED_RUNS) {
        return;
      }
      if (!isActive(run)) {
        this._runs.delete(id);
        this.kernelByRun.delete(id);
        ended--;
      }
    }
  }

  private _runs = new Map<string, Run>();
  private kernelByRun = new Map<string, string>();
  private searchedNames = new Map<string, boolean>();
  private _loadingModels = new Set<string>();
  private eventsAbort?: AbortController;
  private eventsConnected?: Promise<void>;
  private _changed = new Signal<this, void>(this);
  private _runsChanged = new Signal<this, void>(this);
}
