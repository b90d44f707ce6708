/** Saved prompts: insert one as a cell, save that of the active cell, delete. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import React from 'react';
import { promptOf } from '../modelNames';
import type { PromptRow } from '../types';
import type { ViewProps } from './props';
import { withCode } from './withCode';

export function Prompts(props: ViewProps): JSX.Element {
  const { model, commands, trans } = props;
  React.useEffect(() => void model.data.open('prompts', ''), [model.about]);
  const prompts = model.data.prompts;
  const text = promptOf(model.notebook?.content.activeCell?.model.sharedModel.source ?? '')?.trim();
  return (
    <div className="fmnb-Scroll">
      <section aria-label={trans.__('Save')}>
        <button
          className="fm-button"
          disabled={!text || !model.about}
          title={text ? undefined : trans.__('The active cell is not a %%fm cell with a prompt')}
          onClick={() => void commands.execute('fmnb:save-prompt')}
        >
          {trans.__('Save this cell’s prompt…')}
        </button>
      </section>
      {prompts?.length === 0 && <p className="fmnb-Secondary fmnb-Intro">{withCode(trans.__('No saved prompts yet. `%%fm --save NAME` also saves one.'))}</p>}
      {prompts === null && <p className="fmnb-Secondary fmnb-Intro">{model.about ? trans.__('Loading…') : trans.__('The server extension is not installed.')}</p>}
      <ul className="fmnb-PlainList">
        {prompts?.map(p => (
          <Row key={p.name} {...props} prompt={p} />
        ))}
      </ul>
    </div>
  );
}

function Row({ model, commands, trans, prompt }: ViewProps & { prompt: PromptRow }): JSX.Element {
  return (
    <li className="fmnb-Run">
      <div className="fmnb-Line">
        <span className="fmnb-Name fmnb-Flex">{prompt.name}</span>
        <span className="fmnb-Secondary">{prompt.version > 1 ? trans.__('version %1', prompt.version) : ''}</span>
        <button
          className="fm-button"
          disabled={!model.notebook}
          aria-label={trans.__('Insert %1 as a cell', prompt.name)}
          onClick={() => void commands.execute('fmnb:insert-prompt', { text: prompt.text, system: prompt.system })}
        >
          {trans.__('Insert')}
        </button>
        <button className="fm-button" aria-label={trans.__('Delete %1', prompt.name)} onClick={() => void remove(model, trans, prompt.name)}>
          {trans.__('Delete')}
        </button>
      </div>
      <div className="fmnb-Secondary fmnb-PromptText">{prompt.text}</div>
    </li>
  );
}

async function remove(model: ViewProps['model'], trans: ViewProps['trans'], name: string): Promise<void> {
  const { button } = await showDialog({
    title: trans.__('Delete the prompt %1?', name),
    body: trans.__('Older versions stay in the history of the prompts folder.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Delete') })]
  });
  if (button.accept) {
    await model.data.removePrompt(name);
  }
}
