/** Explain an error: a `%%fm` cell below the failed one asks, and shows the full prompt. */

import type { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { cellContents, explainError } from '../cellmenu';
import { insertCell } from '../notebooks';

export async function explainCell(panel: NotebookPanel, cell: CodeCell): Promise<void> {
  const outputs = cell.outputArea.model.toJSON() as unknown as Parameters<typeof cellContents>[1];
  panel.content.activeCellIndex = panel.content.widgets.indexOf(cell);
  await insertCell(panel, explainError(cellContents(cell.model.sharedModel.getSource(), outputs)), true);
}
