/**
 * The one state of the panel, button, status item and picker. Views read it and call it; it asks
 * the server and the kernels. Knows nothing of React.
 *
 *     catalogue    which models there are, searched and ticked         (catalogue.ts)
 *     notebooks    the notebook in front and its choice                (notebooks.ts)
 *     kernels      what kernels with fmnb say                          (kernels.ts)
 *     runs         what goes on, folded from events                    (fold.ts)
 *     data         what the other views show: keys, activity, prompts  (sidebarData.ts)
 */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { Signal, type ISignal } from '@lumino/signaling';
import { NoServerSide, trouble, type Api } from './api';
import { Catalogue } from './catalogue';
import { SidebarData } from './sidebarData';
import { fold, live, lost, type Run } from './fold';
import type { Kernels, KnownKernel, Stopped } from './kernels';
import { known, quoted, type Known } from './modelNames';
import { chosenIn, choose, type Notebooks } from './notebooks';
import { PROTOCOL, type About, type Event, type Trouble } from './types';

const STALE = 60_000; // ms after which the catalogue is asked again when the panel comes to the front
const KEEP = 200; // runs that are remembered once they have ended
const SILENCE = 45_000; // ms without a sign of life after which a connection is taken for broken: the server gives one every 15 s
const SETTLE = 2000; // ms in which the server has told of all downloads that are under way

/** Which model a cell without a name asks, who says so, and what must be done before it answers. */
export interface Standing extends Known {
  model: string;
  by: string;
  odd: string;
}

export class SidebarModel {
  readonly catalogue: Catalogue;
  readonly data: SidebarData;

  constructor(
    readonly api: Api,
    readonly notebooks: Notebooks,
    readonly kernels: Kernels
  ) {
    this.catalogue = new Catalogue(api);
    this.data = new SidebarData(api, work => this.attempt(work));
    this.data.changed.connect(() => this._changed.emit());
    notebooks.told.connect((_, panel) => kernels.tell(panel));
    notebooks.changed.connect(() => this._changed.emit());
    kernels.changed.connect(() => this._changed.emit());
    kernels.event.connect((_, { kernel, event }) => this.take(event, kernel));
    kernels.lost.connect((_, kernel) => this.lose(kernel));
    this.catalogue.changed.connect(() => this._changed.emit());
  }

  /** The server side: what it says of itself, or why it is not there. */
  about: About | null = null;
  absent = false;
  serverTrouble: Trouble | null = null;

  /** What could not be done last; shown until it is dismissed or something else is done. */
  trouble: Trouble | null = null;
  /** What was done last, for who cannot see it. */
  said = '';

  /** Which view is in front, an id of `views/tabs.ts`. */
  tab = 'models';
  compact = false;
  askOnOpen = true;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Runs came or went on. Apart from `changed`, since it is heard several times a second. */
  get runsChanged(): ISignal<this, void> {
    return this._runsChanged;
  }

  /** Runs by id, the newest last. */
  get runs(): ReadonlyMap<string, Run> {
    return this._runs;
  }

  /** The kernel that runs it, "" for the server. */
  homeOf(run: string): string {
    return this.homes.get(run) ?? '';
  }

  get notebook(): NotebookPanel | null {
    return this.notebooks.current;
  }

  /** How things stand for a notebook, in the order of the grammar: what the kernel says, else what its metadata says, else the default. */
  standing(panel = this.notebook): Standing {
    const { model: chosen, odd } = panel ? chosenIn(panel) : { model: '', odd: '' };
    const kernel = this.kernels.of(panel)?.state;
    const [model, by] = kernel?.model
      ? [kernel.model, kernel.by]
      : chosen
        ? [chosen, 'this notebook']
        : this.about?.default_model
          ? [this.about.default_model, 'default']
          : ['', ''];
    return { model, by, odd, ...(model ? this.knownAs(model) : { hint: '', locked: false }) };
  }

  /** How a name stands on this machine; the first question about one that is not listed asks the server. */
  knownAs(name: string): Known {
    const entries = this.catalogue.known;
    if (!entries.has(name) && this.catalogue.asked && !this.lookedFor.has(name)) {
      this.lookedFor.set(name, false);
      void this.catalogue.lookFor(name).then(
        () => (this.lookedFor.set(name, true), this._changed.emit()),
        () => this.lookedFor.delete(name)
      );
    }
    return known(name, entries, this.lookedFor.get(name) === true);
  }

  /** The panel came to the front: who is the server, and is the list still fresh? */
  async open(): Promise<void> {
    if (!this.about) {
      await this.meet();
    }
    if (this.about && Date.now() - this.catalogue.asked > STALE) {
      await this.catalogue.refresh(this.askOnOpen);
    }
  }

  /** Ask everything anew. */
  async refresh(): Promise<void> {
    await this.meet();
    if (this.about) {
      this.lookedFor.clear();
      await this.catalogue.refresh(true);
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

  /** "Use in this notebook": its metadata holds the name, its kernel obeys at the next cell. "" takes it back. */
  use(model: string): void {
    if (this.notebook) {
      choose(this.notebook, model);
      this.say(model ? `${model} is this notebook’s model` : 'This notebook names no model now');
    }
  }

  /** "Default everywhere": the user's settings hold the name. "" takes it back. */
  setDefault(model: string): Promise<void> {
    return this.attempt(async () => {
      await this.api.setDefault(model);
      this.about = this.about && { ...this.about, default_model: model };
      this.say(model ? `${model} is the default everywhere` : 'There is no default model now');
    });
  }

  /** Bring weights to the server's machine; its run shows among the others. */
  pull(source: string): Promise<void> {
    return this.attempt(async () => {
      this.listen();
      await Promise.race([this.hearing, new Promise(done => setTimeout(done, SETTLE))]);
      await this.api.pull(source);
      this.say(`Downloading ${source}`);
    });
  }

  /** Load weights into a kernel's memory: the shortest call there is, in the kernel itself. */
  load(found: KnownKernel, name: string): Promise<void> {
    return this.inKernel(found, name, `__import__("fmnb").ask("Hi", ${JSON.stringify(name)}, max_tokens=1, cache=False)`);
  }

  /** Take a model out of a kernel's memory. */
  unload(found: KnownKernel, name: string): Promise<void> {
    return this.inKernel(found, name, `get_ipython().run_line_magic("fm", ${JSON.stringify(`unload ${quoted(name)}`)})`);
  }

  /** Whether a kernel is loading or unloading a model for us, or will once its cell has ended. */
  moving({ kernel }: KnownKernel, name: string): boolean {
    return this._moving.has(`${kernel.id} ${name}`);
  }

  /** Stop a run: a download of the server, or a call of a kernel. */
  async stop(run: string): Promise<Stopped | undefined> {
    const kernel = this.homeOf(run);
    let how: Stopped | undefined;
    await this.attempt(async () => {
      if (!kernel) {
        await this.api.stopPull(run);
        return;
      }
      how = await this.kernels.stop(kernel, this.partsOf(run));
      if (how === 'interrupted') {
        this.say('This kernel cannot stop one run alone: the whole cell was interrupted');
      }
    });
    return how;
  }

  /** Hear of downloads for as long as the page lives; twice is once. */
  listen(): void {
    if (!this.ear) {
      this.ear = new AbortController();
      this.hearing = new Promise(connected => void this.hear(connected));
    }
  }

  /** Do something that may fail; its failure is shown in the panel, never thrown. */
  async attempt(work: () => Promise<void>): Promise<void> {
    this.trouble = null;
    try {
      await work();
    } catch (e) {
      this.trouble = trouble(e);
    }
    this._changed.emit();
  }

  dismiss(): void {
    this.trouble = null;
    this._changed.emit();
  }

  say(what: string): void {
    this.said = what;
    this._changed.emit();
  }

  /** Take in one event of a run; `kernel` is "" for the server's. */
  take(event: Event, kernel = ''): void {
    const before = this._runs.get(event.run);
    const now = fold(before, event);
    if (now === before) {
      return;
    }
    this._runs.set(event.run, now);
    this.homes.set(event.run, kernel);
    this.prune();
    this._runsChanged.emit();
    if (!live(now) && now.kind === 'download' && now.standing === 'finished') {
      void this.catalogue.refresh(false);
    }
  }

  dispose(): void {
    this.ear?.abort();
    this.ear = undefined;
    this.catalogue.dispose();
    Signal.clearData(this);
  }

  /** Ask who the server is. */
  async meet(): Promise<void> {
    this.absent = false;
    this.serverTrouble = null;
    try {
      const about = await this.api.about();
      if (about.protocol === PROTOCOL) {
        this.about = about;
      } else {
        const side = about.protocol < PROTOCOL ? 'where Jupyter Server runs and restart it' : 'where JupyterLab runs and reload this page';
        this.serverTrouble = {
          message: 'Page and server speak different versions of fmnb',
          detail: `${PROTOCOL} and ${about.protocol}`,
          hint: `Upgrade fmnb ${side}.`,
          upgrade: side
        };
      }
    } catch (e) {
      this.absent = e instanceof NoServerSide;
      this.serverTrouble = trouble(e);
    }
    if (this.serverTrouble) {
      this.about = null;
    }
    this._changed.emit();
  }

  /** One connection, opened again when it breaks or falls silent, more slowly each time. */
  private async hear(connected: () => void): Promise<void> {
    for (let pause = 1000; this.ear; pause = Math.min(2 * pause, 60_000)) {
      const ear = (this.ear = new AbortController());
      let silence: ReturnType<typeof setTimeout> | undefined;
      let awaited: Set<string> | undefined;
      const heard = () => {
        clearTimeout(silence);
        silence = setTimeout(() => ear.abort(), SILENCE);
        if (!awaited) {
          pause = 1000;
          connected();
          awaited = this.catchUp();
        }
      };
      try {
        for await (const event of this.api.events(ear.signal, heard)) {
          awaited?.delete(event.run);
          this.take(event);
        }
      } catch (e) {
        if (e instanceof NoServerSide) {
          this.ear = undefined;
        }
      }
      clearTimeout(silence);
      if (this.ear) {
        await new Promise(done => setTimeout(done, pause));
      }
    }
  }

  /** Connected anew: the server tells what is under way. How the other downloads ended, if they did, stands in the log. */
  private catchUp(): Set<string> {
    const awaited = new Set([...this._runs.values()].filter(r => live(r) && !this.homes.get(r.run)).map(r => r.run));
    if (this.serverTrouble) {
      void this.meet();
    }
    setTimeout(async () => {
      for (const run of awaited) {
        const events = await this.api.run(run).then(found => found.events, () => []);
        events.forEach(e => this.take(e as unknown as Event));
        const now = this._runs.get(run);
        if (now && live(now)) {
          this._runs.set(run, lost(now, 'the server was restarted; what has come stays for the next download'));
          this._runsChanged.emit();
        }
      }
    }, SETTLE);
    return awaited;
  }

  /** What a kernel can stop alone: a call, or the calls of a comparison. Nothing for what only an interrupt reaches. */
  private partsOf(run: string): string[] {
    const kind = this._runs.get(run)?.kind ?? 'call';
    return kind === 'call' ? [run] : [...this._runs.values()].filter(r => r.parent === run && live(r)).map(r => r.run);
  }

  /** Run code that leaves no trace in the notebook: the kernel says afterwards how it stands, the server how much memory is left. */
  private inKernel(found: KnownKernel, name: string, code: string): Promise<void> {
    const { kernel, comm } = found;
    const key = `${kernel.id} ${name}`;
    this._moving.add(key);
    return this.attempt(async () => {
      this._changed.emit();
      try {
        const { content } = await kernel.requestExecute({ code, silent: true, store_history: false, stop_on_error: false }).done;
        if (content.status === 'error') {
          throw new Error(`${content.ename}: ${content.evalue}`);
        }
      } finally {
        this._moving.delete(key);
        this._changed.emit();
      }
      comm.send({ protocol: PROTOCOL });
      await this.meet();
    });
  }

  private lose(kernel: string): void {
    for (const [id, run] of this._runs) {
      if (this.homes.get(id) === kernel && live(run)) {
        this._runs.set(id, lost(run, 'its kernel was restarted'));
      }
    }
    this._runsChanged.emit();
  }

  private prune(): void {
    let ended = [...this._runs.values()].filter(r => !live(r)).length;
    for (const [id, run] of this._runs) {
      if (ended <= KEEP) {
        return;
      }
      if (!live(run)) {
        this._runs.delete(id);
        this.homes.delete(id);
        ended--;
      }
    }
  }

  private _runs = new Map<string, Run>();
  private homes = new Map<string, string>();
  private lookedFor = new Map<string, boolean>();
  private _moving = new Set<string>();
  private ear?: AbortController;
  private hearing?: Promise<void>;
  private _changed = new Signal<this, void>(this);
  private _runsChanged = new Signal<this, void>(this);
}
