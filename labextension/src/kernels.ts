/**
 * The kernels that have loaded fmnb: messages in both directions, stopping runs, questions.
 *
 *     fmnb.front     opened by the kernel. Up: ready, protocol, the notebook's model and path, feedback, votes to retract.
 *                    Down: propose (code for a cell), event (of a run), state (of the kernel),
 *                    ask (a question of a running cell), answered,
 *                    vote_retracted (a comparison's buttons again), fixing (the run that fixes a cell), change (its proposal).
 *     fmnb.control   opened here for each kernel with fmnb; its messages arrive while a cell runs.
 *                    Up: hello (send open questions), stop (a run), answer (to a question).
 *
 * The other side is fmnb/jupyter/comm.py.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';
import { propose } from './cells';
import { watchComms } from './comms';
import { ControlComm } from './controlComm';
import { metadataModel } from './notebooks';
import { PROTOCOL, type Event } from './types';

const TARGET = 'fmnb.front';
const CONTROL = 'fmnb.control';
const CONTROL_TIMEOUT = 3000; // ms to wait for the control comm before a stop interrupts the kernel

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
  /** Null if the kernel cannot receive messages while a cell runs. */
  control: Promise<ControlComm | null>;
  state: KernelState | null;
  upgrade: string;
}

/** A question of a running cell. `via` is "input" if the kernel waits in `input()`. */
export interface Question {
  id: string;
  cell: string;
  via: 'control' | 'input';
  text: string;
  details: string;
  choices: { name: string; label: string }[];
  default: string;
}

/** `fixing`: the run that asks for a cell's correction. `change`: the correction; `source` is the text that failed. */
export interface FixMessage {
  kernel: string;
  do: 'fixing' | 'change';
  cell: string;
  run: string;
  source?: string;
  code?: string;
  model?: string;
}

type Bundle = { data: Record<string, string>; metadata?: Record<string, unknown> };

/** A vote was retracted: the comparison's buttons, and its answers in the output named `face`. */
export interface RetractedVote {
  kernel: string;
  run: string;
  face: string;
  buttons: Bundle;
  answers: Bundle | null;
}

type Message = { protocol: number; do?: string; cell?: string; code?: string; event?: Event } & Partial<KernelState> & Partial<Question> & Partial<Pick<FixMessage, 'run' | 'source'>> &
  Partial<Pick<RetractedVote, 'face' | 'buttons' | 'answers'>>;
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
    return this._disconnected;
  }

  /** A running cell asks. The same question comes again when another page says hello. */
  get question(): ISignal<this, { kernel: string; question: Question }> {
    return this._question;
  }

  /** A question was answered in some page, or its cell was interrupted. */
  get answered(): ISignal<this, string> {
    return this._answered;
  }

  /** The correction of a failed cell. */
  get fix(): ISignal<this, FixMessage> {
    return this._fix;
  }

  /** A vote was retracted with `retractVote`. */
  get voteRetracted(): ISignal<this, RetractedVote> {
    return this._voteRetracted;
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

  /** Retract the vote on a comparison, in a notebook's kernel. False if no kernel is connected. */
  retractVote(panel: NotebookPanel, run: string): boolean {
    const known = this.of(panel);
    if (!known || known.upgrade) {
      return false;
    }
    known.comm.send({ protocol: PROTOCOL, retract_vote: run });
    return true;
  }

  /** Stop these runs of a kernel; interrupt the kernel if there are none, or if it cannot receive messages while a cell runs. */
  async stop(id: string, runs: readonly string[]): Promise<StopResult> {
    const known = this.kernels.get(id);
    if (!known) {
      return 'no kernel';
    }
    const control = runs.length && !known.upgrade ? await this.controlOf(known) : null;
    if (!control) {
      await known.kernel.interrupt();
      return 'interrupted';
    }
    runs.forEach(run => control.send({ protocol: PROTOCOL, do: 'stop', run }));
    return 'sent';
  }

  /** Answer a question of a running cell. */
  async answer(id: string, question: string, choice: string): Promise<void> {
    const known = this.kernels.get(id);
    const control = known && (await this.controlOf(known));
    control?.send({ protocol: PROTOCOL, do: 'answer', question, choice });
  }

  private controlOf({ control }: FmnbKernel): Promise<ControlComm | null> {
    return Promise.race([control, new Promise<null>(done => setTimeout(() => done(null), CONTROL_TIMEOUT))]);
  }

  private addKernel(comm: Kernel.IComm, kernel: Kernel.IKernelConnection): void {
    const known: FmnbKernel = { kernel, comm, control: this.openControl(kernel), state: null, upgrade: '' };
    this.kernels.set(kernel.id, known);
    comm.onMsg = ({ content }) => this.onMessage(known, content.data as unknown as Message);
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

  private onMessage(known: FmnbKernel, message: Message): void {
    if (message.protocol !== PROTOCOL) {
      const older = message.protocol < PROTOCOL ? 'where the kernel runs, and restart the kernel' : 'where JupyterLab runs, and reload the page';
      known.upgrade = `The kernel uses protocol ${message.protocol} of fmnb, this page ${PROTOCOL}. Upgrade fmnb ${older}.`;
      this._changed.emit();
    } else if (message.do === 'propose' && message.cell && message.code !== undefined) {
      const notebook = this.panelOf(known.kernel, message.cell)?.context.model.sharedModel;
      notebook && propose(notebook, message.cell, message.code);
    } else if (message.do === 'event' && message.event) {
      this._event.emit({ kernel: known.kernel.id, event: message.event });
    } else if (message.do === 'ask' && message.id) {
      this._question.emit({ kernel: known.kernel.id, question: message as Question });
    } else if (message.do === 'answered' && message.id) {
      this._answered.emit(message.id);
    } else if ((message.do === 'fixing' || message.do === 'change') && message.cell) {
      const { do: kind, cell, run = '', source, code, model } = message;
      this._fix.emit({ kernel: known.kernel.id, do: kind, cell, run, source, code, model });
    } else if (message.do === 'vote_retracted' && message.run && message.buttons) {
      const { run, face = '', buttons, answers = null } = message;
      this._voteRetracted.emit({ kernel: known.kernel.id, run, face, buttons, answers });
    } else if (message.do === 'state') {
      const { model = '', by = '', spent = 0, budget = null, loaded = [], host = '', pid = 0, memory = null } = message;
      known.state = { model, by, spent, budget, loaded, host, pid, memory };
      this._changed.emit();
    }
  }

  private removeKernel(known: FmnbKernel): void {
    const { id } = known.kernel;
    if (this.kernels.get(id) === known) {
      this.kernels.delete(id);
      this._disconnected.emit(id);
      this._changed.emit();
    }
  }

  /** Says hello once the notebook's cells exist, so that an open question finds its cell. */
  private async openControl(kernel: Kernel.IKernelConnection): Promise<ControlComm | null> {
    await this.panelOf(kernel)?.context.ready;
    return ControlComm.open(kernel, CONTROL, { protocol: PROTOCOL, do: 'hello' }).catch(reason => {
      console.debug(`fmnb: no control comm: ${reason}`);
      return null;
    });
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
  private watched = new WeakSet<Kernel.IKernelConnection>();
  private _changed = new Signal<this, void>(this);
  private _event = new Signal<this, { kernel: string; event: Event }>(this);
  private _question = new Signal<this, { kernel: string; question: Question }>(this);
  private _answered = new Signal<this, string>(this);
  private _disconnected = new Signal<this, string>(this);
  private _voteRetracted = new Signal<this, RetractedVote>(this);
  private _fix = new Signal<this, FixMessage>(this);
}

const notebookInfo = (panel: NotebookPanel) => ({ model: metadataModel(panel), notebook: panel.context.path });
