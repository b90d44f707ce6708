/**
 * Questions of a running cell, as a form between its source and its outputs.
 *
 * The form is not part of the notebook: the kernel prints question and answer. Every page with the
 * notebook shows the form; the first answer wins, and the kernel closes the others. A kernel
 * without subshells asks by `input()`; then the form fills JupyterLab's input field.
 * The other side is fmnb/jupyter/questions.py.
 */

import { Notification } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { insertBelowInput } from './belowInput';
import type { Kernels, Question } from './kernels';

const RETRY = 3000; // ms after which the buttons work again if the kernel has not taken the answer
const FIELD_TIMEOUT = 2000; // ms to wait for JupyterLab's input field, which comes on another channel

type OpenForm = { kernel: string; form: QuestionForm; cell: Cell; notification: string };

/** Show the questions of kernels in their cells. `activate` brings a notebook to the front. */
export function showQuestions(tracker: INotebookTracker, kernels: Kernels, trans: TranslationBundle, activate: (id: string) => void): void {
  const open = new Map<string, OpenForm>();
  const close = (id: string) => {
    const found = open.get(id);
    open.delete(id);
    if (found) {
      found.cell.removeClass('fmnb-hasQuestion');
      found.notification && Notification.dismiss(found.notification);
      found.form.dispose();
    }
  };
  const place = (kernel: string, question: Question) => {
    let place: { panel: NotebookPanel; cell: Cell } | undefined;
    tracker.forEach(panel => {
      const cell = panel.sessionContext.session?.kernel?.id === kernel && panel.content.widgets.find(c => c.model.id === question.cell);
      place = place ?? (cell ? { panel, cell } : undefined);
    });
    return place;
  };
  const show = (kernel: string, question: Question) => {
    close(question.id);
    const found = place(kernel, question);
    if (!found) {
      return;
    }
    const { panel, cell } = found;
    const form = new QuestionForm(question, trans, choice => {
      question.via === 'control' ? kernels.answer(kernel, question.id, choice) : void fillInput(cell, choice);
    });
    const notification = isVisible(panel, cell) ? '' : notify(question, panel, cell, trans, activate);
    open.set(question.id, { kernel, form, cell, notification });
    question.via === 'input' && cell.addClass('fmnb-hasQuestion');
    insertBelowInput(cell, form);
    takesFocus(panel) && form.node.focus({ preventScroll: true });
  };
  kernels.question.connect((_, { kernel, question }) => show(kernel, question));
  kernels.answered.connect((_, id) => close(id));
  kernels.disconnected.connect((_, kernel) => open.forEach((found, id) => found.kernel === kernel && close(id)));
}

/** The form gets the focus if the notebook has it and nobody is typing. It goes to the form, not to a button: no key press may answer by accident. */
function takesFocus(panel: NotebookPanel): boolean {
  const focused = document.activeElement;
  return panel.node.contains(focused) && !focused!.closest('.cm-editor, input, textarea, select, [contenteditable=true]');
}

function isVisible(panel: NotebookPanel, cell: Cell): boolean {
  const view = panel.content.node.getBoundingClientRect();
  const box = cell.node.getBoundingClientRect();
  return panel.isVisible && cell.node.isConnected && box.bottom > view.top && box.bottom < view.bottom;
}

/** A notification that leads to a question out of sight. */
function notify(question: Question, panel: NotebookPanel, cell: Cell, trans: TranslationBundle, activate: (id: string) => void): string {
  const callback = () => {
    activate(panel.id);
    void panel.content.scrollToItem(panel.content.widgets.indexOf(cell)).then(() => cell.node.querySelector<HTMLElement>('.fmnb-Question')?.focus());
  };
  return Notification.info(trans.__('A running cell asks: %1', question.text), { autoClose: false, actions: [{ label: trans.__('Show'), callback }] });
}

const filled = new WeakSet<HTMLInputElement>();

/** Answer `input()`: JupyterLab's field may come later than the question, and each is used once. */
async function fillInput(cell: Cell, choice: string): Promise<void> {
  for (const end = Date.now() + FIELD_TIMEOUT; Date.now() < end; ) {
    const field = cell.node.querySelector<HTMLInputElement>('.jp-Stdin-input');
    if (field && !filled.has(field)) {
      filled.add(field);
      field.value = choice;
      field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
      return;
    }
    await new Promise(done => setTimeout(done, 20));
  }
}

class QuestionForm extends Widget {
  constructor(question: Question, trans: TranslationBundle, answer: (choice: string) => void) {
    super();
    this.addClass('fmnb-Question');
    this.node.tabIndex = -1;
    this.node.setAttribute('role', 'group');
    this.node.setAttribute('aria-label', trans.__('Question of the running cell'));
    const text = this.node.appendChild(document.createElement('p'));
    text.setAttribute('role', 'alert');
    text.textContent = question.text;
    if (question.details) {
      const details = this.node.appendChild(document.createElement('pre'));
      details.tabIndex = 0;
      details.setAttribute('role', 'region');
      details.setAttribute('aria-label', trans.__('Details'));
      details.textContent = question.details;
    }
    const row = this.node.appendChild(document.createElement('div'));
    row.className = 'fmnb-Question-choices';
    const buttons = question.choices.map(({ name, label }, i) => {
      const button = row.appendChild(document.createElement('button'));
      button.type = 'button';
      button.className = `fm-button ${i === 0 && [name, ''].includes(question.default) ? 'fm-primary' : ''}`;
      button.textContent = label;
      button.addEventListener('click', () => {
        buttons.forEach(b => (b.disabled = true));
        answer(name);
        setTimeout(() => buttons.forEach(b => (b.disabled = false)), RETRY);
      });
      return button;
    });
    // Keys pressed here are not the notebook's: `d` `d` would delete the cell.
    this.node.addEventListener('keydown', event => event.stopPropagation());
    this.node.dataset.lmSuppressShortcuts = 'true';
  }
}
