/**
 * Thumbs under each answer: a click is a signal in the log of the kernel that asked.
 *
 * The notebook keeps none of this: the buttons are added to the line under an answer when it
 * is shown (a saved answer is plain HTML), and only where a kernel with fmnb listens. The
 * answer's run stands at the end of that line, which a model's text cannot make.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Kernels } from './kernels';

const LINE = '.jp-OutputArea-output footer[aria-label="About this answer"]:not(.fmnb-hasThumbs)';
const HAND =
  'M9 21h9c.83 0 1.54-.5 1.84-1.22l3.02-7.05c.09-.23.14-.47.14-.73v-2c0-1.1-.9-2-2-2h-6.31l.95-4.57.03-.32c0-.41-.17-.79-.44-1.06L14.17 1 7.58 7.59C7.22 7.95 7 8.45 7 9v10c0 1.1.9 2 2 2zM1 21h4V9H1v12z'; // Material icons, Apache-2.0

export function addThumbs(tracker: INotebookTracker, kernels: Kernels, trans: TranslationBundle): void {
  const said = new Map<string, number>(); // run -> what was clicked in this page, which redraws outputs as it likes
  const decorate = (panel: NotebookPanel) => {
    if (!kernels.of(panel) || kernels.of(panel)?.upgrade) {
      return;
    }
    for (const line of panel.content.node.querySelectorAll(LINE)) {
      const run = /\brun ([0-9a-z]{14,16})$/.exec(line.textContent ?? '')?.[1];
      if (run && !line.closest('.fm-box')) {
        line.classList.add('fmnb-hasThumbs');
        line.append(buttons(run, panel));
      }
    }
  };
  const buttons = (run: string, panel: NotebookPanel) => {
    const group = document.createElement('span');
    group.className = 'fmnb-Thumbs';
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', trans.__('Was this answer good?'));
    const draw = () => both.forEach(b => b.setAttribute('aria-pressed', String(said.get(run) === Number(b.dataset.value))));
    const both = ([[1, trans.__('Good answer')], [-1, trans.__('Bad answer')]] as const).map(([value, label]) => {
      const button = document.createElement('button');
      button.dataset.value = String(value);
      button.title = label;
      button.setAttribute('aria-label', label);
      button.innerHTML = `<svg viewBox="0 0 24 24" width="12" height="12" aria-hidden="true"><path fill="currentColor" d="${HAND}"/></svg>`;
      button.addEventListener('click', () => {
        const now = said.get(run) === value ? 0 : value;
        if (kernels.signal(panel, run, now)) {
          said.set(run, now);
          draw();
        }
      });
      return button;
    });
    draw();
    group.append(...both);
    return group;
  };
  const follow = (panel: NotebookPanel) => {
    let asked = 0;
    const soon = () => (asked ||= requestAnimationFrame(() => ((asked = 0), decorate(panel))));
    const watch = new MutationObserver(soon);
    watch.observe(panel.content.node, { childList: true, subtree: true });
    kernels.changed.connect(soon);
    panel.disposed.connect(() => {
      watch.disconnect();
      kernels.changed.disconnect(soon);
      cancelAnimationFrame(asked);
    });
  };
  tracker.forEach(follow);
  tracker.widgetAdded.connect((_, panel) => follow(panel));
}
