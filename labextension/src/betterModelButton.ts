/**
 * A button on the note below the first answer of the embedded model: it uses or downloads the better one.
 *
 * The note is HTML in the notebook; the button is added when it is displayed, and only if a kernel
 * with fmnb is connected. The other side is fmnb/jupyter/magics/better_model_note.py.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Kernels } from './kernels';
import { invalidReason, shortName } from './modelNames';
import { onPanelChanges } from './panelChanges';

const CLASS = 'fmnb-BetterModelButton';

type Actions = { use: (model: string) => void; download: (source: string) => void };

export function addBetterModelButton(tracker: INotebookTracker, kernels: Kernels, { use, download }: Actions, trans: TranslationBundle): void {
  onPanelChanges(tracker, kernels, panel => {
    const connected = Boolean(kernels.of(panel));
    for (const { node, model, offer } of notes(panel)) {
      const there = node.querySelector(`.${CLASS}`);
      if (!connected) {
        there?.remove();
      } else if (!there) {
        const button = document.createElement('button');
        button.type = 'button';
        button.className = `fm-button ${CLASS}`;
        button.textContent = offer === 'download' ? trans.__('Download %1…', shortName(model)) : trans.__('Use %1', shortName(model));
        button.title = model;
        button.addEventListener('click', () => {
          if (offer === 'download') {
            return download(model);
          }
          use(model);
          button.textContent = trans.__('%1 answers from now on', shortName(model));
          button.disabled = true;
        });
        (node.querySelector('[role=note]') ?? node).append(' ', button);
      }
    }
  });
}

/** The notes among a notebook's outputs. */
function* notes(panel: NotebookPanel): Generator<{ node: HTMLElement; model: string; offer: string }> {
  for (const cell of panel.content.widgets) {
    const area = cell.model.type === 'code' ? (cell as CodeCell).outputArea : undefined;
    for (let i = 0; area && i < Math.min(area.model.length, area.widgets.length); i++) {
      const ours = area.model.get(i).metadata.fmnb as { kind?: string; model?: unknown; offer?: string } | undefined;
      if (ours?.kind === 'better-model' && typeof ours.model === 'string' && !invalidReason(ours.model)) {
        yield { node: area.widgets[i].node, model: ours.model, offer: ours.offer ?? '' };
      }
    }
  }
}
