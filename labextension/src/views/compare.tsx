/** Actions for the selected models. */

import React from 'react';
import type { ViewProps } from './props';

export function Compare({ model, commands, trans }: ViewProps): JSX.Element | null {
  const { selected } = model.catalog;
  if (!selected.length) {
    return null;
  }
  const [insert, run] = ['fmnb:insert-compare', 'fmnb:run-compare'];
  return (
    <div className="fmnb-Compare" role="group" aria-label={trans.__('Compare')}>
      <div className="fmnb-Line">
        <span className="fmnb-Meta" title={selected.join('\n')}>
          {trans._n('%1 model selected', '%1 models selected', selected.length)}
        </span>
        <button className="fm-link" onClick={() => model.catalog.clearSelection()}>
          {trans.__('Clear')}
        </button>
      </div>
      <div className="fmnb-Actions">
        <button
          className="fm-button fm-primary"
          disabled={!commands.isEnabled(insert)}
          title={commands.caption(insert)}
          onClick={() => void commands.execute(insert)}
        >
          {trans.__('Insert a cell')}
        </button>
        <button
          className="fm-button"
          disabled={!commands.isEnabled(run)}
          title={commands.caption(run)}
          onClick={() => void commands.execute(run)}
        >
          {trans.__('Insert and run')}
        </button>
      </div>
    </div>
  );
}
