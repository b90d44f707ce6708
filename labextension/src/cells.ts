/**
 * Code that the kernel proposes, put into the cell below the one that asked.
 *
 * A proposed cell says in its metadata whose proposal it is, with a fingerprint of the code:
 * the next proposal of the same cell takes its place, also after a reload or a restart. A
 * proposal that was edited is the user's; it stays, without the mark.
 */

import type { ISharedCell, ISharedCodeCell, ISharedNotebook } from '@jupyter/ydoc';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { followComms } from './comms';
import { PROTOCOL } from './types';

const TARGET = 'fmnb.front';
const KEY = 'fmnb';

type Order = { protocol: number; do?: string; cell?: string; code?: string };
type Mark = { proposal_of?: string; proposal?: string };

/** Listens to every notebook's kernel. */
export function obeyKernels(tracker: INotebookTracker): void {
  followComms(tracker, TARGET, (comm, kernel) => {
    comm.onMsg = ({ content }) => {
      const order = content.data as unknown as Order;
      if (order.protocol !== PROTOCOL) {
        complain(order.protocol);
      } else if (order.do === 'propose' && order.cell && order.code !== undefined) {
        const notebook = notebookOf(tracker, kernel, order.cell);
        if (notebook) {
          propose(notebook, order.cell, order.code);
        }
      }
    };
    comm.send({ ready: true, protocol: PROTOCOL });
  });
}

function complain(theirs: number): void {
  const older = theirs < PROTOCOL ? 'where the kernel runs' : 'where JupyterLab runs';
  console.warn(`fmnb: the kernel speaks protocol ${theirs}, this page ${PROTOCOL}. Upgrade fmnb ${older} and reload the page.`);
}

/** The open notebook on this kernel that holds the cell. */
function notebookOf(tracker: INotebookTracker, kernel: Kernel.IKernelConnection, cell: string): ISharedNotebook | undefined {
  const panel = tracker.find(
    ({ sessionContext, context }) =>
      sessionContext.session?.kernel?.id === kernel.id && context.model.sharedModel.cells.some(c => c.id === cell)
  );
  return panel?.context.model.sharedModel;
}

/** Put `code` below `cell`, in place of an earlier proposal of that cell that nobody has edited. One step to undo. */
export function propose(notebook: ISharedNotebook, cell: string, code: string): void {
  const at = notebook.cells.findIndex(c => c.id === cell) + 1;
  const below = notebook.cells[at];
  const mark: Mark = { proposal_of: cell, proposal: fingerprint(code) };
  notebook.transact(() => {
    if (isCode(below) && markOf(below).proposal_of === cell) {
      if (markOf(below).proposal === fingerprint(below.source)) {
        if (below.source !== code) {
          below.setSource(code);
          below.setOutputs([]);
          below.execution_count = null;
          below.setMetadata(KEY, mark);
        }
        return;
      }
      below.deleteMetadata(KEY);
    }
    // As JupyterLab does with cells that a kernel asks for: not trusted until somebody runs it.
    notebook.insertCell(at, { cell_type: 'code', source: code, metadata: { trusted: false, [KEY]: mark } });
  });
}

function isCode(cell: ISharedCell | undefined): cell is ISharedCodeCell {
  return cell?.cell_type === 'code';
}

function markOf(cell: ISharedCodeCell): Mark {
  return (cell.getMetadata(KEY) as Mark | undefined) ?? {};
}

/** Tells an edited proposal from one left alone (FNV-1a; nothing depends on its strength). */
export function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return `${text.length}-${hash.toString(36)}`;
}
