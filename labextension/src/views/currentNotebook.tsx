/** The current notebook: its model, where the choice comes from, and the next step if it cannot answer yet. */

import React from 'react';
import { BUILT_IN_BY } from '../model';
import { shortName } from '../modelNames';
import { notebookModel } from '../notebooks';
import { BetterModel } from './betterModel';
import type { ViewProps } from './props';

export function CurrentNotebook(props: ViewProps): JSX.Element {
  const { model, commands, trans } = props;
  const panel = model.notebook;
  if (!panel) {
    return <p className="fmnb-CurrentNotebook fmnb-Secondary">{trans.__('Open a notebook to choose its model.')}</p>;
  }
  const current = model.currentModel();
  const loaded = model.kernels.of(panel);
  const chosen = notebookModel(panel).model;
  return (
    <div className="fmnb-CurrentNotebook">
      <div className="fmnb-Line">
        <span className="fmnb-Secondary fmnb-File" title={panel.context.path}>
          {panel.title.label}
        </span>
        {chosen && (
          <button className="fm-link" title={trans.__('Clear the model of this notebook')} onClick={() => model.use('')}>
            {trans.__('Clear')}
          </button>
        )}
      </div>
      <button
        className="fm-button fmnb-ModelButton"
        title={trans.__('%1. Choose a model for this notebook', current.model)}
        onClick={() => void commands.execute('fmnb:choose-model')}
      >
        <span className="fmnb-Name">{shortName(current.model)}</span>
        <span className="fmnb-Secondary">{sourceLabel(current.by, trans)}</span>
      </button>
      {current.invalidReason && <p className="fmnb-Warning">{current.invalidReason}</p>}
      {current.hint && (
        <p className="fmnb-Warning">
          {current.locked ? trans.__('Locked: ') : trans.__('Not available yet: ')}
          {current.hint.startsWith('%') ? <code>{current.hint}</code> : current.hint}
        </p>
      )}
      {current.model === 'embedded' && <BetterModel {...props} />}
      {!loaded && (
        <p className="fmnb-Secondary">
          {trans.__('fmnb is not loaded in this notebook’s kernel.')}{' '}
          <button className="fm-link" onClick={() => void commands.execute('fmnb:load')}>
            {trans.__('Load it')}
          </button>
        </p>
      )}
    </div>
  );
}

function sourceLabel(by: string, trans: ViewProps['trans']): string {
  return by === 'this notebook' ? trans.__('set in this notebook') : by === 'default' ? trans.__('default') : by === BUILT_IN_BY ? trans.__('comes with fmnb') : trans.__('set by %1', by);
}
