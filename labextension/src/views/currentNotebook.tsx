/** The notebook in front: which model its cells ask, who says so, and what stands in the way. */

import React from 'react';
import { chosenIn } from '../notebooks';
import type { ViewProps } from './props';

export function Here({ model, commands, trans }: ViewProps): JSX.Element {
  const panel = model.notebook;
  if (!panel) {
    return <p className="fmnb-Here fmnb-Quiet">{trans.__('Open a notebook to choose its model.')}</p>;
  }
  const standing = model.standing();
  const loaded = model.kernels.of(panel);
  const chosen = chosenIn(panel).model;
  return (
    <div className="fmnb-Here">
      <div className="fmnb-Line">
        <span className="fmnb-Quiet fmnb-File" title={panel.context.path}>
          {panel.title.label}
        </span>
        {chosen && (
          <button className="fmnb-Link" title={trans.__('Let this notebook name no model')} onClick={() => model.use('')}>
            {trans.__('Clear')}
          </button>
        )}
      </div>
      <button
        className="fmnb-Current"
        title={trans.__('Choose a model for this notebook')}
        onClick={() => void commands.execute('fmnb:choose-model')}
      >
        <span className="fmnb-Name">{standing.model || trans.__('Choose a model')}</span>
        <span className="fmnb-Quiet">{standing.model ? byWhom(standing.by, trans) : trans.__('none chosen')}</span>
      </button>
      {standing.odd && <p className="fmnb-Warn">{standing.odd}</p>}
      {standing.hint && (
        <p className="fmnb-Warn">
          {standing.locked ? trans.__('Locked: ') : trans.__('Not here yet: ')}
          {standing.hint.startsWith('%') ? <code>{standing.hint}</code> : standing.hint}
        </p>
      )}
      {!loaded && (
        <p className="fmnb-Quiet">
          {trans.__('fmnb is not loaded in this notebook’s kernel.')}{' '}
          <button className="fmnb-Link" onClick={() => void commands.execute('fmnb:load')}>
            {trans.__('Load it')}
          </button>
        </p>
      )}
    </div>
  );
}

function byWhom(by: string, trans: ViewProps['trans']): string {
  return by === 'this notebook' ? trans.__('chosen here') : by === 'default' ? trans.__('default') : trans.__('by %1', by);
}
