/** An explanation of the option under the mouse. */

import { hoverTooltip } from '@codemirror/view';
import type { TranslationBundle } from '@jupyterlab/translation';
import { optionOf, takesValue, usageOf } from './optionTable';
import { wordsOf } from './promptText';

export const optionHover = (trans: TranslationBundle) =>
  hoverTooltip((view, pos) => {
    const line = view.state.doc.line(1);
    if (pos > line.to) {
      return null;
    }
    const words = wordsOf(line.text, takesValue);
    const at = words.findIndex(w => w.from <= pos && pos <= w.to);
    const word = words[at];
    const flag = word?.kind === 'value' ? words[at - 1] : word;
    if (!flag || !['option', 'unknown'].includes(flag.kind)) {
      return null;
    }
    const name = line.text.slice(flag.from, flag.to);
    return { pos: flag.from, end: word.to, above: false, create: () => ({ dom: explanation(name, trans) }) };
  });

function explanation(name: string, trans: TranslationBundle): HTMLElement {
  const option = optionOf(name);
  const dom = document.createElement('div');
  dom.className = 'fmnb-Prompt-hover';
  dom.appendChild(document.createElement('code')).textContent = option ? usageOf(option) : name;
  dom.append(option ? option.help : trans.__('There is no such option.'));
  if (option?.choices.length) {
    dom.appendChild(document.createElement('div')).textContent = option.choices.join(', ');
  }
  return dom;
}
