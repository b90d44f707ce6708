/**
 * Fix a failed cell: the kernel asks the notebook's model, and the answer is a change to accept or
 * reject below the cell. Nothing is in the notebook before that.
 *
 * The other side is fmnb/jupyter/magics/fix_cell.py.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { insertBelowInput } from '../belowInput';
import type { FixMessage, Kernels } from '../kernels';
import { fold, type Run } from '../fold';
import { progressText } from '../views/runs';

const open = new WeakMap<CodeCell, Widget>(); // one at a time for each cell
const MOMENT = 1500; // ms
const asking = new WeakSet<CodeCell>();

type Parts = { kernels: Kernels; languages: IEditorLanguageRegistry | null; trans: TranslationBundle };

export async function fixCell(panel: NotebookPanel, cell: CodeCell, { kernels, languages, trans }: Parts): Promise<void> {
  if (asking.has(cell)) {
    return; // a second click
  }
  const kernel = panel.sessionContext.session?.kernel;
  const { id } = cell.model;
  const form = new FixForm(trans);
  show(cell, form);
  if (!kernel) {
    return form.say(trans.__('This notebook has no kernel.'));
  }
  form.say(trans.__('Waiting for the kernel…'));
  if (!(await becomesIdle(kernel))) {
    return form.say(trans.__('The kernel is busy. Press Fix again when it is idle.'));
  }
  if (form.isDisposed) {
    return; // closed, or a second click
  }

  let runId = '';
  let run: Run | undefined;
  let proposal: FixMessage | undefined;
  const onFix = (_: unknown, message: FixMessage) => {
    if (message.kernel === kernel.id && message.cell === id) {
      message.do === 'change' ? (proposal = message) : (runId = message.run);
    }
  };
  const onEvent = (_: unknown, { kernel: from, event }: { kernel: string; event: Parameters<typeof fold>[1] }) => {
    if (from === kernel.id && event.run === runId) {
      run = fold(run, event);
      form.say(`${run.model}: ${progressText(run, trans)}`);
    }
  };
  form.wait(trans.__('Asking this notebook’s model…'), () => void kernels.stop(kernel.id, runId ? [runId] : []));
  asking.add(cell);
  kernels.fix.connect(onFix);
  kernels.event.connect(onEvent);
  try {
    const code = `get_ipython().run_line_magic("fm", ${JSON.stringify(`fix --cell ${id}`)})`;
    const { content } = await kernel.requestExecute({ code, silent: true, store_history: false, stop_on_error: false }).done;
    if (form.isDisposed) {
      return;
    }
    if (content.status !== 'ok') {
      form.fail(content.status === 'error' && content.ename !== 'Interrupted' ? content.evalue : trans.__('Stopped.'));
    } else if (!proposal) {
      form.fail(trans.__('The kernel proposed nothing. Run the cell again, and then Fix.'));
    } else {
      await propose(cell, proposal, form, languages, trans);
    }
  } catch {
    form.isDisposed || form.fail(trans.__('The kernel was restarted. Run the cell again, and then Fix.'));
  } finally {
    asking.delete(cell);
    kernels.fix.disconnect(onFix);
    kernels.event.disconnect(onEvent);
  }
}

/** Whether a kernel is idle, or will be within a moment: messages of the page make it busy for some milliseconds. */
function becomesIdle(kernel: Kernel.IKernelConnection): Promise<boolean> {
  return new Promise(resolve => {
    const end = (idle: boolean) => {
      clearTimeout(timer);
      kernel.statusChanged.disconnect(check);
      resolve(idle);
    };
    const check = () => kernel.status === 'idle' && end(true);
    const timer = setTimeout(() => end(false), MOMENT);
    kernel.statusChanged.connect(check);
    check();
  });
}

async function propose(cell: CodeCell, { source = '', code = '', model = '' }: FixMessage, form: FixForm, languages: IEditorLanguageRegistry | null, trans: TranslationBundle): Promise<void> {
  const now = cell.model.sharedModel.getSource();
  const proposed = code + /\s*$/.exec(now)![0]; // blank lines at the end are not what failed
  if (proposed === now) {
    return form.fail(trans.__('%1 proposes no change.', model));
  }
  const [{ ProposedChange }, language] = await Promise.all([
    import('./proposedChange'), // with @codemirror/merge, which is loaded only here
    languages?.getLanguage(cell.model.mimeType)
  ]);
  if (!form.isDisposed && !cell.isDisposed) {
    const focused = document.activeElement;
    const takeFocus = focused === document.body || (cell.node.contains(focused) && !cell.editorWidget?.node.contains(focused)); // not from somebody who types
    const change = new ProposedChange({ cell, ran: source, code: proposed, model, language: language?.support ?? [], trans });
    show(cell, change);
    requestAnimationFrame(() => change.isDisposed || (change.node.scrollIntoView({ block: 'nearest' }), takeFocus && change.focus()));
  }
}

/** Show a widget below the cell's input, in place of the one that is there. */
function show(cell: CodeCell, widget: Widget): void {
  open.get(cell)?.dispose();
  open.set(cell, widget);
  insertBelowInput(cell, widget);
}

/** What is going on, with a button to stop it or to close the form. */
class FixForm extends Widget {
  constructor(private trans: TranslationBundle) {
    super();
    this.addClass('fmnb-Fix');
    this.node.setAttribute('role', 'group');
    this.node.setAttribute('aria-label', trans.__('Fix of this cell'));
    this.node.dataset.lmSuppressShortcuts = 'true';
    this.node.addEventListener('keydown', event => event.stopPropagation());
    this.text.setAttribute('role', 'status');
    this.button.type = 'button';
    this.button.className = 'fm-button';
    this.node.append(this.text, this.button);
    this.closes();
  }

  wait(text: string, stop: () => void): void {
    this.text.textContent = text;
    this.button.textContent = this.trans.__('Stop');
    this.button.onclick = stop;
  }

  say(text: string): void {
    this.text.textContent = text;
  }

  fail(text: string): void {
    this.addClass('fmnb-mod-failed');
    this.say(text);
    this.closes();
  }

  private closes(): void {
    this.button.textContent = this.trans.__('Close');
    this.button.onclick = () => this.dispose();
  }

  private text = document.createElement('span');
  private button = document.createElement('button');
}
