/** The user's saved prompts: insert one as a cell, save the active cell's, delete. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import React from 'react';
import { promptOf } from '../modelNames';
import type { PromptRow } from '../types';
import type { ViewProps } from './props';

export function Prompts(props: ViewProps): JSX.Element {
  const { model, commands, trans } = props;
  React.useEffect(() => void model.data.open('prompts', ''), [model.about]);
  const prompts = model.data.prompts;
  const text = promptOf(model.notebook?.content.activeCell?.model.sharedModel.source ?? '')?.trim();
  return (
    <div className="fmnb-Scroll">
      <section aria-label={trans.__('Save')}>
        <button
          className="jp-mod-styled"
          disabled={!text || !model.about}
          title={text ? undefined : trans.__('The active cell is no %%fm cell with a prompt')}
          onClick={() => void commands.execute('fmnb:save-prompt')}
        >
          {trans.__('Save this cell’s prompt…')}
        </button>
      </section>
      {prompts?.length === 0 && <p className="fmnb-Quiet fmnb-Lead">{trans.__('No prompts are saved yet. `%%fm --save NAME` saves one, too.')}</p>}
      {prompts === null && <p className="fmnb-Quiet fmnb-Lead">{model.about ? trans.__('Asking…') : trans.__('The server side is not there.')}</p>}
      <ul className="fmnb-Plain">
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
        <span className="fmnb-Name fmnb-Grow">{prompt.name}</span>
        <span className="fmnb-Quiet">{prompt.version > 1 ? trans.__('version %1', prompt.version) : ''}</span>
        <button
          className="fmnb-Small"
          disabled={!model.notebook}
          aria-label={trans.__('Insert %1 as a cell', prompt.name)}
          onClick={() => void commands.execute('fmnb:insert-prompt', { text: prompt.text, system: prompt.system })}
        >
          {trans.__('Insert')}
        </button>
        <button className="fmnb-Small" aria-label={trans.__('Delete %1', prompt.name)} onClick={() => void remove(model, trans, prompt.name)}>
          {trans.__('Delete')}
        </button>
      </div>
      <div className="fmnb-Quiet fmnb-Quote">{prompt.text}</div>
    </li>
  );
}

async function remove(model: ViewProps['model'], trans: ViewProps['trans'], name: string): Promise<void> {
  const { button } = await showDialog({
    title: trans.__('Delete the prompt %1?', name),
    body: trans.__('Its older versions stay readable in the folder’s history.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Delete') })]
  });
  if (button.accept) {
    await model.data.removePrompt(name);
  }
}
