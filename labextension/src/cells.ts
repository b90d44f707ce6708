/**
 * Code that the kernel proposes, in the cell below the one that asked.
 *
 * A proposed cell stores in its metadata which cell proposed it, and a fingerprint of the code:
 * the next proposal of the same cell replaces it, also after a reload or a restart. A proposal
 * that the user has edited stays and loses this metadata.
 */

import type { ISharedCell, ISharedCodeCell, ISharedNotebook } from '@jupyter/ydoc';

const KEY = 'fmnb';

type ProposalMetadata = { proposal_of?: string; proposal?: string };

/** Put `code` below `cell`, in place of an earlier proposal of that cell that nobody has edited. One step to undo. */
export function propose(notebook: ISharedNotebook, cell: string, code: string): void {
  const at = notebook.cells.findIndex(c => c.id === cell) + 1;
  const below = notebook.cells[at];
  const metadata: ProposalMetadata = { proposal_of: cell, proposal: fingerprint(code) };
  notebook.transact(() => {
    if (isCode(below) && proposalMetadata(below).proposal_of === cell) {
      if (proposalMetadata(below).proposal === fingerprint(below.source)) {
        if (below.source !== code) {
          below.setSource(code);
          below.setOutputs([]);
          below.execution_count = null;
          below.setMetadata(KEY, metadata);
        }
        return;
      }
      below.deleteMetadata(KEY);
    }
    // As JupyterLab does with cells that a kernel asks for: not trusted until somebody runs it.
    notebook.insertCell(at, { cell_type: 'code', source: code, metadata: { trusted: false, [KEY]: metadata } });
  });
}

function isCode(cell: ISharedCell | undefined): cell is ISharedCodeCell {
  return cell?.cell_type === 'code';
}

function proposalMetadata(cell: ISharedCodeCell): ProposalMetadata {
  return (cell.getMetadata(KEY) as ProposalMetadata | undefined) ?? {};
}

/** Tells an edited proposal from one left alone (FNV-1a; nothing depends on its strength). */
export function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return `${text.length}-${hash.toString(36)}`;
}
