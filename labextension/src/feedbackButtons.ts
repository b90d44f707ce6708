/**
 * Thumbs up and down under each answer that did not fail. A click is logged as feedback by the kernel that answered.
 *
 * Nothing is stored in the notebook: the buttons are added to the footer of an answer when it
 * is displayed (a saved answer is plain HTML), and only if a kernel with fmnb is connected. The
 * run id is at the end of the footer's details, which model text cannot forge.
 */

import { Notification } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Kernels } from './kernels';
import { onPanelChanges } from './panelChanges';

const FOOTER = '.jp-OutputArea-output footer[aria-label="About this answer"]:not(.fmnb-hasFeedback)';
const THUMB_ICON =
  'M9 21h9c.83 0 1.54-.5 1.84-1.22l3.02-7.05c.09-.23.14-.47.14-.73v-2c0-1.1-.9-2-2-2h-6.31l.95-4.57.03-.32c0-.41-.17-.79-.44-1.06L14.17 1 7.58 7.59C7.22 7.95 7 8.45 7 9v10c0 1.1.9 2 2 2zM1 21h4V9H1v12z'; // Material icons, Apache-2.0

/** Whether the answer above a footer failed; the error of a hidden model is a status. Model text has no roles. */
const failed = (footer: Element) =>
  Boolean(footer.closest('section')?.querySelector('[role=alert], [role=status]') ?? footer.parentElement?.querySelector(':scope > [role=alert], :scope > [role=status]'));

export function addFeedbackButtons(tracker: INotebookTracker, kernels: Kernels, trans: TranslationBundle): void {
  const ratings = new Map<string, number>(); // run -> rating given in this page; outputs may be redrawn at any time
  const decorate = (panel: NotebookPanel) => {
    if (!kernels.of(panel) || kernels.of(panel)?.upgrade) {
      return;
    }
    for (const footer of panel.content.node.querySelectorAll(FOOTER)) {
      const run = /\brun ([0-9a-z]{14,16})\s*$/.exec(footer.textContent ?? '')?.[1];
      if (run && !footer.closest('.fm-box') && !failed(footer)) {
        footer.classList.add('fmnb-hasFeedback');
        footer.append(buttons(run, panel));
      }
    }
  };
  const buttons = (run: string, panel: NotebookPanel) => {
    const group = document.createElement('span');
    group.className = 'fmnb-Feedback';
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', trans.__('Rate this answer'));
    const draw = () => pair.forEach(b => b.setAttribute('aria-pressed', String(ratings.get(run) === Number(b.dataset.value))));
    const pair = ([[1, trans.__('Good answer')], [-1, trans.__('Bad answer')]] as const).map(([value, label]) => {
      const button = document.createElement('button');
      button.className = 'fm-button fm-quiet';
      button.dataset.value = String(value);
      button.title = label;
      button.setAttribute('aria-label', label);
      button.innerHTML = `<svg viewBox="0 0 24 24" width="12" height="12" aria-hidden="true"><path fill="currentColor" d="${THUMB_ICON}"/></svg>`;
      button.addEventListener('click', () => {
        const rating = ratings.get(run) === value ? 0 : value;
        if (kernels.sendFeedback(panel, run, rating)) {
          ratings.set(run, rating);
          draw();
        } else {
          Notification.warning(trans.__('The rating was not stored: the kernel has not loaded fmnb. Run %load_ext fmnb first.'));
        }
      });
      return button;
    });
    draw();
    group.append(...pair);
    return group;
  };
  onPanelChanges(tracker, kernels, decorate);
}
