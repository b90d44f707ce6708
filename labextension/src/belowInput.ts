/** Widgets between a cell's input and its outputs. They are not part of the notebook. */

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { PanelLayout, Widget } from '@lumino/widgets';

/** Insert a widget below a cell's input. Not in the output area, which counts its children and may be collapsed. */
export function insertBelowInput(cell: Cell, widget: Widget): void {
  const layout = cell.layout as PanelLayout;
  const outputs = (cell as CodeCell).outputArea?.parent;
  const at = outputs ? layout.widgets.indexOf(outputs) : -1;
  layout.insertWidget(at < 0 ? layout.widgets.length : at, widget);
}
