/**
 * A button where `%%fm` is unknown because the kernel was restarted: it loads fmnb and runs the cell again.
 *
 * It runs the notebook's own cell with `%load_ext fmnb`, or inserts one, so that the notebook still
 * runs from top to bottom.
 */

import { CodeCell, type Cell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Kernels } from '../kernels';
import { insertCell } from '../notebooks';
import { onPanelChanges } from '../panelChanges';
import { BUTTONS_CLASS, errorButtons } from './errorButtons';

const UNKNOWN = /UsageError: (?:Cell magic|Line magic function) `%%?fm` not found/;
const LOAD = /^%(?:load|reload)_ext fmnb\b/m;

export function addLoadHelp(tracker: INotebookTracker, kernels: Kernels, trans: TranslationBundle): void {
  onPanelChanges(tracker, kernels, panel => {
    const loaded = Boolean(kernels.of(panel));
    for (const cell of panel.content.widgets) {
      const node = failedOutput(cell);
      const bar = node?.querySelector(`:scope > .${BUTTONS_CLASS}`);
      if (loaded) {
        bar?.remove();
      } else if (node && !bar) {
        const title = trans.__('Load fmnb into this notebook’s kernel, and run this cell again');
        node.append(errorButtons([{ label: trans.__('Load fmnb'), title, run: () => void loadAndRun(panel, cell as CodeCell) }], trans));
      }
    }
  });
}

/** The output that says that the magic is unknown. */
function failedOutput(cell: Cell): HTMLElement | undefined {
  const area = cell.model.type === 'code' ? (cell as CodeCell).outputArea : undefined;
  const first = area?.model.length ? area.model.get(0) : undefined;
  const isUnknown = first?.type === 'stream' && UNKNOWN.test(String((first.toJSON() as { text?: unknown }).text ?? ''));
  return isUnknown ? area!.widgets[0]?.node : undefined;
}

async function loadAndRun(panel: NotebookPanel, cell: CodeCell): Promise<void> {
  const loads = panel.content.widgets.find(c => c.model.type === 'code' && LOAD.test(c.model.sharedModel.getSource()));
  if (loads) {
    await CodeCell.execute(loads as CodeCell, panel.sessionContext);
  } else {
    await insertCell(panel, '%load_ext fmnb', true, 'code', 0);
  }
  panel.content.activeCellIndex = panel.content.widgets.indexOf(cell);
  panel.content.activate(); // the button that had the focus goes
  await CodeCell.execute(cell, panel.sessionContext);
}
