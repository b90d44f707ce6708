/** What the embedded model is good for, and the best model that this machine can have, one click away. */

import React from 'react';
import { shortName } from '../modelNames';
import { planDownload } from './details';
import type { ViewProps } from './props';

export function BetterModel({ model, commands, trans }: ViewProps): JSX.Element {
  const [best] = model.catalog.offers;
  return (
    <div className="fmnb-BetterModel">
      <p>{trans.__('Good for trying cells and short rewrites. Its facts, numbers and labels are often wrong.')}</p>
      {best && (
        <p>
          {trans.__('Better here:')} <b title={best.model}>{shortName(best.model)}</b>
          <span>, {best.reason}</span>{' '}
          <button
            className="fm-link"
            onClick={() => (best.kind === 'download' ? planDownload(model, best.model) : void commands.execute('fmnb:use-model', { model: best.model }))}
          >
            {best.kind === 'download' ? trans.__('Download') : trans.__('Use in this notebook')}
          </button>
        </p>
      )}
    </div>
  );
}
