/**
 * The kernels that have loaded fmnb: messages in both directions, and stopping runs.
 *
 *     fmnb.front   opened by the kernel. Up: ready, protocol, the notebook's model and path, feedback.
 *                  Down: propose (code for a cell), event (of a run), state (of the kernel).
 *     fmnb.stop    opened here, once a kernel, and only where fmnb is known to be: nothing is
 *                  ever published on it, so that it is heard while a cell runs.
 *
 * The other side is fmnb/jupyter/comm.py.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';
import { propose } from './cells';
import { watchComms } from './comms';
import { metadataModel } from './notebooks';
import { PROTOCOL, type Event } from './types';

const TARGET = 'fmnb.front';
const STOP = 'fmnb.stop';

/** A model in a kernel's memory. */
export type Loaded = { name: string; engine: string; memory: number | null; path: string; busy: boolean };

/** The last reported state of a kernel. */
export interface KernelState {
  /** The model that a cell without a model name uses, and where the choice comes from. */
  model: string;
  by: string;
  /** US dollars spent since the kernel started, and the budget. */
  spent: number;
  budget: number | null;
  loaded: Loaded[];
  host: string;
  pid: number;
  memory: number | null;
}

/** A kernel with fmnb loaded. `upgrade` says which side to upgrade if the protocol versions differ. */
export interface FmnbKernel {
  kernel: Kernel.IKernelConnection;
  comm: Kernel.IComm;
  state: KernelState | null;
  upgrade: string;
}

type KernelMessage = { protocol: number; do?: string; cell?: string; code?: string; event?: Event } & Partial<KernelState>;
export type StopResult = 'sent' | 'interrupted' | 'no kernel';

export class Kernels {
  constructor(private tracker: INotebookTracker) {
    watchComms(tracker, TARGET, (comm, kernel) => this.addKernel(comm, kernel));
  }

  /** A kernel was added or removed, or its state changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** An event of a run in a kernel. */
  get event(): ISignal<this, { kernel: string; event: Event }> {
    return this._event;
  }

  /** A kernel was restarted or died: no more events of its runs. */
  get disconnected(): ISignal<this, string> {
    return this._lost;
  }

  of(panel: NotebookPanel | null): FmnbKernel | undefined {
    const id = panel?.sessionContext.session?.kernel?.id;
    return id === undefined ? undefined : this.kernels.get(id);
  }

  get all(): FmnbKernel[] {
    return [...this.kernels.values()];
  }

  /** Send a notebook's model to its kernel, if fmnb is loaded there; otherwise the kernel gets it when it loads fmnb. */
  sendChoice(panel: NotebookPanel): void {
    const known = this.of(panel);
    if (known && !known.upgrade) {
      known.comm.send({ protocol: PROTOCOL, ...notebookInfo(panel) });
    }
  }

  /** Send feedback on an answer to a notebook's kernel: 1 good, -1 bad, 0 retracts. False if no kernel is connected. */
  sendFeedback(panel: NotebookPanel, run: string, value: number): boolean {
    const known = this.of(panel);
    if (!known || known.upgrade) {
      return false;
    }
    known.comm.send({ protocol: PROTOCOL, feedback: { run, value } });
    return true;
  }

  /** Stop runs of a kernel: alone where that is heard while a cell runs, else by interrupting the kernel, as with no run at all. */
  async stop(id: string, runs: readonly string[]): Promise<StopResult> {
    const known = this.kernels.get(id);
    if (!known) {
      return 'no kernel';
    }
    const { kernel } = known;
    if (!runs.length || !supportsBusyComms(kernel) || known.upgrade) {
      await kernel.interrupt();
      return 'interrupted';
    }
    const comm = await this.stopComm(kernel);
    runs.forEach(run => comm.send({ protocol: PROTOCOL, run }));
    return 'sent';
  }

  private addKernel(comm: Kernel.IComm, kernel: Kernel.IKernelConnection): void {
    const known: FmnbKernel = { kernel, comm, state: null, upgrade: '' };
    this.kernels.set(kernel.id, known);
    comm.onMsg = ({ content }) => this.onMessage(known, content.data as unknown as KernelMessage);
    comm.onClose = () => this.removeKernel(known);
    if (!this.watched.has(kernel)) {
      this.watched.add(kernel);
      kernel.statusChanged.connect((_, status) => {
        if (['restarting', 'autorestarting', 'terminating', 'dead'].includes(status)) {
          const now = this.kernels.get(kernel.id);
          now && this.removeKernel(now);
        }
      });
    }
    void this.sendReady(known);
    this._changed.emit();
  }

  /** Wait for the notebook's metadata, which is loaded with its file. */
  private async sendReady({ comm, kernel }: FmnbKernel): Promise<void> {
    const panel = this.panelOf(kernel);
    await panel?.context.ready;
    if (!comm.isDisposed) {
      comm.send({ ready: true, protocol: PROTOCOL, ...(panel ? notebookInfo(panel) : {}) });
    }
  }

  private onMessage(known: FmnbKernel, message: KernelMessage): void {
    if (message.protocol !== PROTOCOL) {
      const older = message.protocol < PROTOCOL ? 'where the kernel runs, and restart the kernel' : 'where JupyterLab runs, and reload the page';
      known.upgrade = `The kernel uses protocol ${message.protocol} of fmnb, this page ${PROTOCOL}. Upgrade fmnb ${older}.`;
      this._changed.emit();
    } else if (message.do === 'propose' && message.cell && message.code !== undefined) {
      const notebook = this.panelOf(known.kernel, message.cell)?.context.model.sharedModel;
      notebook && propose(notebook, message.cell, message.code);
    } else if (message.do === 'event' && message.event) {
      this._event.emit({ kernel: known.kernel.id, event: message.event });
    } else if (message.do === 'state') {
      const { model = '', by = '', spent = 0, budget = null, loaded = [], host = '', pid = 0, memory = null } = message;
      known.state = { model, by, spent, budget, loaded, host, pid, memory };
      this._changed.emit();
    }
  }

  private removeKernel(known: FmnbKernel): void {
    const { id } = known.kernel;
    this.stops.delete(id);
    if (this.kernels.get(id) === known) {
      this.kernels.delete(id);
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
    const known = this.stops.get(kernel.id) ?? open();
    this.stops.set(kernel.id, known);
    return known;
  }

  /** An open notebook of a kernel, the current one if there are several; with `cell`, the one that contains that cell. */
  private panelOf(kernel: Kernel.IKernelConnection, cell?: string): NotebookPanel | undefined {
    const fits = (panel: NotebookPanel) =>
      panel.sessionContext.session?.kernel?.id === kernel.id &&
      (cell === undefined || panel.context.model.sharedModel.cells.some(c => c.id === cell));
    const current = this.tracker.currentWidget;
    return current && fits(current) ? current : this.tracker.find(fits);
  }

  private kernels = new Map<string, FmnbKernel>();
  private stops = new Map<string, Promise<Kernel.IComm>>();
  private watched = new WeakSet<Kernel.IKernelConnection>();
  private _changed = new Signal<this, void>(this);
  private _event = new Signal<this, { kernel: string; event: Event }>(this);
  private _lost = new Signal<this, string>(this);
}

/** Comms over subshells: JupyterLab 4.4 and ipykernel 7, unless a reader switched them off. */
const supportsBusyComms = (kernel: Kernel.IKernelConnection) => Boolean(kernel.supportsSubshells) && kernel.commsOverSubshells !== 'disabled';

const notebookInfo = (panel: NotebookPanel) => ({ model: metadataModel(panel), notebook: panel.context.path });
