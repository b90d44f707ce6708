/**
 * Help at the place of an error, where a kernel with fmnb is connected: buttons on each error
 * output, and on each answer that failed because of a key.
 *
 * JupyterLab's renderer stays as it is. The buttons are appended to the output that it rendered,
 * disappear with it, and are not in the file. An error that only repeats the failed answer above
 * it is hidden; other front ends and programs need its text.
 */

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Kernels } from '../kernels';
import { onPanelChanges } from '../panelChanges';
import { BUTTONS_CLASS, errorButtons, type ErrorButton } from './errorButtons';
import { errorKind, isShownAbove, keyProvider, type ErrorOutput } from './errorKind';

const DECORATED = 'fmnb-hasErrorHelp';
const FAILED_ANSWER = '.jp-OutputArea-output [role=alert]:not(.fmnb-hasButtons)';

export interface ErrorActions {
  fix(panel: NotebookPanel, cell: CodeCell): void;
  explain(panel: NotebookPanel, cell: CodeCell): void;
  setKey(provider: string): void;
}

export function addErrorHelp(tracker: INotebookTracker, kernels: Kernels, actions: ErrorActions, trans: TranslationBundle): void {
  onPanelChanges(tracker, kernels, panel => {
    const connected = Boolean(kernels.of(panel)) && !kernels.of(panel)?.upgrade;
    panel.content.widgets.forEach(cell => isCode(cell) && cell.outputArea.model.length && update(panel, cell, connected));
    connected && addToAnswers(panel);
  });

  const update = (panel: NotebookPanel, cell: CodeCell, connected: boolean) => {
    const { model, widgets } = cell.outputArea;
    for (let i = 0; i < Math.min(model.length, widgets.length); i++) {
      const output = model.get(i);
      const { node } = widgets[i];
      if (output.type !== 'error' && !node.classList.contains(DECORATED)) {
        continue; // this runs at each change of the page: most outputs are no errors and never were
      }
      node.classList.add(DECORATED);
      const error = output.type === 'error' ? (output.toJSON() as unknown as ErrorOutput) : null;
      node.classList.toggle('fmnb-isShownAbove', error !== null && i > 0 && isShownAbove(error));
      const bar = node.querySelector(`:scope > .${BUTTONS_CLASS}`);
      const buttons = connected && error ? buttonsOf(error, panel, cell) : [];
      if (!buttons.length) {
        bar?.remove(); // another kind of output took its place, or the kernel is gone
      } else if (!bar) {
        node.append(errorButtons(buttons, trans));
      }
    }
  };

  const addToAnswers = (panel: NotebookPanel) => {
    for (const box of panel.content.node.querySelectorAll<HTMLElement>(FAILED_ANSWER)) {
      const provider = keyProvider(box.textContent ?? '');
      if (provider && !box.closest('.fm-box')) {
        box.classList.add('fmnb-hasButtons');
        box.append(errorButtons([setKey(provider)], trans));
      }
    }
  };

  const buttonsOf = (error: ErrorOutput, panel: NotebookPanel, cell: CodeCell): ErrorButton[] => {
    switch (errorKind(error)) {
      case 'python':
        return [
          {
            label: trans.__('Fix'),
            title: trans.__('Ask this notebook’s model for a corrected cell; you see the change before it is made'),
            run: () => actions.fix(panel, cell)
          },
          {
            label: trans.__('Explain'),
            title: trans.__('Insert a cell that asks this notebook’s model what went wrong, and run it'),
            run: () => actions.explain(panel, cell)
          }
        ];
      case 'fmnb': {
        const provider = isShownAbove(error) ? '' : keyProvider(error.evalue); // the answer above has the button
        return provider ? [setKey(provider)] : [];
      }
      case 'stop':
        return [];
    }
  };

  const setKey = (provider: string): ErrorButton => ({
    label: trans.__('Set a Key'),
    title: trans.__('Open the Keys tab of the sidebar at %1', provider),
    run: () => actions.setKey(provider)
  });
}

const isCode = (cell: Cell): cell is CodeCell => cell.model.type === 'code';
