/** The buttons at an error. */

import type { TranslationBundle } from '@jupyterlab/translation';

export const BUTTONS_CLASS = 'fmnb-ErrorButtons';

export type ErrorButton = { label: string; title: string; run: () => void };

/** A bar with buttons. Its keys are not the notebook's. */
export function errorButtons(buttons: ErrorButton[], trans: TranslationBundle): HTMLElement {
  const bar = document.createElement('div');
  bar.className = BUTTONS_CLASS;
  bar.setAttribute('role', 'group');
  bar.setAttribute('aria-label', trans.__('Help with this error'));
  bar.dataset.lmSuppressShortcuts = 'true';
  bar.addEventListener('keydown', event => event.stopPropagation());
  for (const { label, title, run } of buttons) {
    const button = bar.appendChild(document.createElement('button'));
    button.type = 'button';
    button.className = 'fm-button';
    button.textContent = label;
    button.title = title;
    button.addEventListener('click', run);
  }
  return bar;
}
