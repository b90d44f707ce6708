/**
 * A button on the line that a comparison leaves after a vote: it retracts the vote, and the buttons
 * of the comparison come back in place of the line.
 *
 * The line is plain HTML in the notebook; the button is added when it is displayed, and only if a
 * kernel with fmnb is connected. The other side is `retract_vote` in fmnb/jupyter/widgets/grid.py.
 */

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Kernels, RetractedVote } from './kernels';
import { onPanelChanges } from './panelChanges';
import { replaceOutput } from './widgets';

type VoteLine = { node: HTMLElement; run: string; voted: boolean };

const FOCUS_LOST = 5000; // ms in which a replaced output gives the focus to what replaces it

/** Remembers the cell whose buttons had the focus: a vote and its undoing replace the focused element. */
function keepFocus(): (panel: NotebookPanel) => void {
  let last: { cell: Element; at: number } | null = null;
  document.addEventListener('focusin', e => {
    const cell = (e.target as Element).closest('.fmnb-w, .fmnb-VoteButton')?.closest('.jp-Cell');
    last = cell ? { cell, at: Date.now() } : null;
  });
  document.addEventListener('keydown', () => last && (last.at = Date.now()), true);
  return panel => {
    const lost = document.activeElement === document.body || document.activeElement === panel.content.node;
    if (last && lost && Date.now() - last.at < FOCUS_LOST && panel.node.contains(last.cell)) {
      last.cell.querySelector<HTMLElement>('.fmnb-VoteButton, .fmnb-w button')?.focus({ preventScroll: true });
    }
  };
}

export function addVoteButtons(tracker: INotebookTracker, kernels: Kernels, trans: TranslationBundle): void {
  const restoreFocus = keepFocus();
  onPanelChanges(tracker, kernels, panel => {
    const connected = Boolean(kernels.of(panel)) && !kernels.of(panel)?.upgrade;
    for (const { node, run, voted } of panel.content.widgets.flatMap(linesOf)) {
      const there = node.querySelector<HTMLElement>('.fmnb-VoteButton');
      const label = voted ? trans.__('Undo the vote') : trans.__('Vote');
      if (!connected || there?.textContent !== label) {
        there?.remove();
      }
      if (connected && there?.textContent !== label) {
        (node.querySelector('p') ?? node).append(button(panel, run, label));
      }
    }
    restoreFocus(panel);
  });
  const button = (panel: NotebookPanel, run: string, label: string) => {
    const made = document.createElement('button');
    made.type = 'button';
    made.className = 'fm-button fmnb-VoteButton';
    made.textContent = label;
    made.addEventListener('click', () => kernels.retractVote(panel, run));
    return made;
  };
  kernels.voteRetracted.connect((_, retracted) =>
    tracker.forEach(panel => panel.sessionContext.session?.kernel?.id === retracted.kernel && panel.content.widgets.forEach(cell => showAgain(cell, retracted)))
  );
}

/** The lines of votes among a cell's outputs. */
function linesOf(cell: Cell): VoteLine[] {
  const area = cell.model.type === 'code' ? (cell as CodeCell).outputArea : undefined;
  const lines: VoteLine[] = [];
  for (let i = 0; area && i < Math.min(area.model.length, area.widgets.length); i++) {
    const ours = area.model.get(i).metadata.fmnb as { kind?: string; run?: string; voted?: boolean } | undefined;
    if (ours?.kind === 'vote' && ours.run) {
      lines.push({ node: area.widgets[i].node, run: ours.run, voted: ours.voted !== false });
    }
  }
  return lines;
}

function showAgain(cell: Cell, { run, face, buttons, answers }: RetractedVote): void {
  const line = linesOf(cell).find(found => found.run === run);
  if (line) {
    answers && replaceOutput(cell, cell.node.querySelector(`[data-fmnb-face="${CSS.escape(face)}"]`), answers, face);
    replaceOutput(cell, line.node, buttons);
  }
}
