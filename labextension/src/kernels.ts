/**
 * The kernels that have loaded fmnb: what they tell, what they are told, and how a run is stopped.
 *
 *     fmnb.front   opened by the kernel. Up: ready, protocol, the notebook's choice and path, thumbs.
 *                  Down: propose (code for a cell), event (a run goes on), state (how it stands).
 *     fmnb.stop    opened here, once a kernel, and only where fmnb is known to be: nothing is
 *                  ever published on it, so that it is heard while a cell runs.
 *
 * Its twin is fmnb/jupyter/comm.py.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';
import { propose } from './cells';
import { followComms } from './comms';
import { heldIn } from './notebooks';
import { PROTOCOL, type Event } from './types';

const TARGET = 'fmnb.front';
const STOP = 'fmnb.stop';

/** A model in a kernel's memory. */
export type Loaded = { name: string; engine: string; memory: number | null; path: string; busy: boolean };

/** How a kernel stands, as it said last. */
export interface KernelState {
  /** The model that a cell without a name asks, and who says so. */
  model: string;
  by: string;
  /** US dollars since the kernel began, and the most it may spend. */
  spent: number;
  budget: number | null;
  loaded: Loaded[];
  host: string;
  pid: number;
  memory: number | null;
}

/** A kernel with fmnb in it. `upgrade` says which side to upgrade when the two do not understand each other. */
export interface KnownKernel {
  kernel: Kernel.IKernelConnection;
  comm: Kernel.IComm;
  state: KernelState | null;
  upgrade: string;
}

type Told = { protocol: number; do?: string; cell?: string; code?: string; event?: Event } & Partial<KernelState>;
export type Stopped = 'asked' | 'interrupted' | 'gone';

export class Kernels {
  constructor(private tracker: INotebookTracker) {
    followComms(tracker, TARGET, (comm, kernel) => this.adopt(comm, kernel));
  }

  /** A kernel came, went or said how it stands. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** A run of a kernel goes on. */
  get event(): ISignal<this, { kernel: string; event: Event }> {
    return this._event;
  }

  /** A kernel was restarted or died: its runs are told no further. */
  get lost(): ISignal<this, string> {
    return this._lost;
  }

  of(panel: NotebookPanel | null): KnownKernel | undefined {
    const id = panel?.sessionContext.session?.kernel?.id;
    return id === undefined ? undefined : this.known.get(id);
  }

  get all(): KnownKernel[] {
    return [...this.known.values()];
  }

  /** Tell a notebook's kernel its choice; nothing where fmnb is not loaded: it asks when it is. */
  tell(panel: NotebookPanel): void {
    const found = this.of(panel);
    if (found && !found.upgrade) {
      found.comm.send({ protocol: PROTOCOL, ...about(panel) });
    }
  }

  /** Tell a notebook's kernel what somebody thinks of an answer: 1 good, -1 bad, 0 takes it back. False where nobody would hear. */
  signal(panel: NotebookPanel, run: string, value: number): boolean {
    const found = this.of(panel);
    if (!found || found.upgrade) {
      return false;
    }
    found.comm.send({ protocol: PROTOCOL, signal: { run, value } });
    return true;
  }

  /** Stop runs of a kernel: alone where that is heard while a cell runs, else by interrupting the kernel, as with no run at all. */
  async stop(id: string, runs: readonly string[]): Promise<Stopped> {
    const found = this.known.get(id);
    if (!found) {
      return 'gone';
    }
    const { kernel } = found;
    if (!runs.length || !hearsWhileBusy(kernel) || found.upgrade) {
      await kernel.interrupt();
      return 'interrupted';
    }
    const comm = await this.stopComm(kernel);
    runs.forEach(run => comm.send({ protocol: PROTOCOL, run }));
    return 'asked';
  }

  private adopt(comm: Kernel.IComm, kernel: Kernel.IKernelConnection): void {
    const found: KnownKernel = { kernel, comm, state: null, upgrade: '' };
    this.known.set(kernel.id, found);
    comm.onMsg = ({ content }) => this.hear(found, content.data as unknown as Told);
    comm.onClose = () => this.forget(found);
    if (!this.watched.has(kernel)) {
      this.watched.add(kernel);
      kernel.statusChanged.connect((_, status) => {
        if (['restarting', 'autorestarting', 'terminating', 'dead'].includes(status)) {
          const now = this.known.get(kernel.id);
          now && this.forget(now);
        }
      });
    }
    void this.greet(found);
    this._changed.emit();
  }

  /** The notebook's metadata is there when its file has been read, which a kernel found again does not wait for. */
  private async greet({ comm, kernel }: KnownKernel): Promise<void> {
    const panel = this.panelOf(kernel);
    await panel?.context.ready;
    if (!comm.isDisposed) {
      comm.send({ ready: true, protocol: PROTOCOL, ...(panel ? about(panel) : {}) });
    }
  }

  private hear(found: KnownKernel, told: Told): void {
    if (told.protocol !== PROTOCOL) {
      const older = told.protocol < PROTOCOL ? 'where the kernel runs, and restart the kernel' : 'where JupyterLab runs, and reload the page';
      found.upgrade = `The kernel speaks protocol ${told.protocol} of fmnb, this page ${PROTOCOL}. Upgrade fmnb ${older}.`;
      this._changed.emit();
    } else if (told.do === 'propose' && told.cell && told.code !== undefined) {
      const notebook = this.panelOf(found.kernel, told.cell)?.context.model.sharedModel;
      notebook && propose(notebook, told.cell, told.code);
    } else if (told.do === 'event' && told.event) {
      this._event.emit({ kernel: found.kernel.id, event: told.event });
    } else if (told.do === 'state') {
      const { model = '', by = '', spent = 0, budget = null, loaded = [], host = '', pid = 0, memory = null } = told;
      found.state = { model, by, spent, budget, loaded, host, pid, memory };
      this._changed.emit();
    }
  }

  private forget(found: KnownKernel): void {
    const { id } = found.kernel;
    this.stops.delete(id);
    if (this.known.get(id) === found) {
      this.known.delete(id);
      this._lost.emit(id);
      this._changed.emit();
    }
  }

  private stopComm(kernel: Kernel.IKernelConnection): Promise<Kernel.IComm> {
    const open = async () => {
      const comm = kernel.createComm(STOP);
      comm.onClose = () => void this.stops.delete(kernel.id);
      await (comm as { subshellStarted?: Promise<void> }).subshellStarted; // of the class, not of its interface
      comm.open();
      return comm;
    };
    const found = this.stops.get(kernel.id) ?? open();
    this.stops.set(kernel.id, found);
    return found;
  }

  /** The open notebook on a kernel: the current one if it is one of several; with `cell`, the one that holds that cell. */
  private panelOf(kernel: Kernel.IKernelConnection, cell?: string): NotebookPanel | undefined {
    const fits = (panel: NotebookPanel) =>
      panel.sessionContext.session?.kernel?.id === kernel.id &&
      (cell === undefined || panel.context.model.sharedModel.cells.some(c => c.id === cell));
    const current = this.tracker.currentWidget;
    return current && fits(current) ? current : this.tracker.find(fits);
  }

  private known = new Map<string, KnownKernel>();
  private stops = new Map<string, Promise<Kernel.IComm>>();
  private watched = new WeakSet<Kernel.IKernelConnection>();
  private _changed = new Signal<this, void>(this);
  private _event = new Signal<this, { kernel: string; event: Event }>(this);
  private _lost = new Signal<this, string>(this);
}

/** Comms over subshells: JupyterLab 4.4 and ipykernel 7, unless a reader switched them off. */
const hearsWhileBusy = (kernel: Kernel.IKernelConnection) => Boolean(kernel.supportsSubshells) && kernel.commsOverSubshells !== 'disabled';

const about = (panel: NotebookPanel) => ({ model: heldIn(panel), notebook: panel.context.path });
