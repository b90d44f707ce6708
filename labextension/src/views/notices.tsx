/** What is wrong with the whole: no server side, versions apart, the last thing that failed. */

import React from 'react';
import type { Trouble } from '../types';
import type { ViewProps } from './props';

export function Notes({ model, trans }: ViewProps): JSX.Element {
  const upgrade = model.kernels.of(model.notebook)?.upgrade;
  return (
    <>
      {model.serverTrouble && (
        <Note trouble={model.serverTrouble} kind={model.absent ? 'info' : 'error'}>
          <button className="fmnb-Link" onClick={() => void model.refresh()}>
            {trans.__('Ask again')}
          </button>
        </Note>
      )}
      {upgrade && <Note trouble={{ message: upgrade, detail: '', hint: '', upgrade }} kind="error" />}
      {model.trouble && (
        <Note trouble={model.trouble} kind="error">
          <button className="fmnb-Link" onClick={() => model.dismiss()}>
            {trans.__('Dismiss')}
          </button>
        </Note>
      )}
    </>
  );
}

/** A trouble in words: what happened, what was seen, what to do. */
export function Note(props: { trouble: Trouble; kind: 'info' | 'error'; children?: React.ReactNode }): JSX.Element {
  const { message, detail, hint } = props.trouble;
  return (
    <div className={`fmnb-Note fmnb-mod-${props.kind}`} role={props.kind === 'error' ? 'alert' : 'note'}>
      <span>
        {message}
        {detail && `: ${detail}`}
        {/[.!?]$/.test(detail || message) ? '' : '.'} {hint}
      </span>
      {props.children}
    </div>
  );
}
