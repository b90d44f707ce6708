/** Notices about the panel: no server extension, version mismatch, the last error. */

import React from 'react';
import type { ErrorBody } from '../types';
import type { ViewProps } from './props';

export function Notices({ model, trans }: ViewProps): JSX.Element {
  const upgrade = model.kernels.of(model.notebook)?.upgrade;
  return (
    <>
      {model.serverError && (
        <Notice error={model.serverError} kind={model.serverMissing ? 'info' : 'error'}>
          <button className="fm-link" onClick={() => void model.refresh()}>
            {trans.__('Retry')}
          </button>
        </Notice>
      )}
      {upgrade && <Notice error={{ message: upgrade, detail: '', hint: '', upgrade }} kind="error" />}
      {model.error && (
        <Notice error={model.error} kind="error">
          <button className="fm-link" onClick={() => model.dismiss()}>
            {trans.__('Dismiss')}
          </button>
        </Notice>
      )}
    </>
  );
}

/** An error as text: what happened, the evidence, the next step. */
export function Notice(props: { error: ErrorBody; kind: 'info' | 'error'; children?: React.ReactNode }): JSX.Element {
  const { message, detail, hint } = props.error;
  return (
    <div className={`fmnb-Notice fmnb-mod-${props.kind}`} role={props.kind === 'error' ? 'alert' : 'note'}>
      <span>
        {message}
        {detail && `: ${detail}`}
        {/[.!?]$/.test(detail || message) ? '' : '.'} {hint}
      </span>
      {props.children}
    </div>
  );
}
