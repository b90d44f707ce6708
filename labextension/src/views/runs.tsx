/** A run as a row: state, progress, result. Used by Local and Activity. */

import React from 'react';
import { isActive, type Run } from '../fold';
import { bytes, dollars } from '../format';
import type { ViewProps } from './props';

/** State and progress of a run as text. */
export function progressText(run: Run, trans: ViewProps['trans']): string {
  if (run.state === 'waiting') {
    return run.waitReason;
  }
  if (run.state === 'failed') {
    return String(run.error?.message ?? trans.__('failed'));
  }
  if (run.state === 'cancelled') {
    return run.note || trans.__('stopped');
  }
  if (run.state === 'finished') {
    return trans.__('done');
  }
  if (run.unit === 'bytes') {
    const progress = run.total ? trans.__('%1 of %2', bytes(run.done), bytes(run.total)) : bytes(run.done);
    return run.speed ? trans.__('%1, %2/s', progress, bytes(run.speed)) : progress;
  }
  const amount = run.done ? `${Math.round(run.done).toLocaleString()}${run.total ? ` / ${Math.round(run.total).toLocaleString()}` : ''} ${run.unit}` : '';
  return [run.stage || trans.__('started'), amount].filter(Boolean).join(': ');
}

export function RunLine({ model, trans, run }: ViewProps & { run: Run }): JSX.Element {
  const [now, setNow] = React.useState(Date.now() / 1000);
  const running = isActive(run);
  React.useEffect(() => {
    if (running) {
      const timer = setInterval(() => setNow(Date.now() / 1000), 1000);
      return () => clearInterval(timer);
    }
    return undefined;
  }, [running]);
  const seconds = Math.max(0, (running ? now : run.at) - run.started);
  return (
    <li className="fmnb-Run" aria-busy={running}>
      <div className="fmnb-Line">
        <span className="fmnb-Name" title={run.prompt || run.model}>
          {run.model}
        </span>
        <span className="fmnb-State">{trans.__('%1 s', seconds < 10 ? seconds.toFixed(1) : Math.round(seconds))}</span>
        {running && (
          <button className="fm-button" aria-label={trans.__('Stop %1', run.model)} onClick={() => void model.stop(run.run)}>
            {trans.__('Stop')}
          </button>
        )}
      </div>
      {run.prompt && <div className="fmnb-Meta fmnb-Secondary">{run.prompt}</div>}
      <div className={run.state === 'failed' ? 'fmnb-Warning' : 'fmnb-Secondary'}>
        {progressText(run, trans)}
        {run.usage.cost ? `, ${run.usage.estimated ? '~' : ''}${dollars(run.usage.cost)}` : ''}
      </div>
      {running && run.total ? <progress className="fm-progress" max={run.total} value={run.done} aria-label={run.stage || run.model} /> : null}
    </li>
  );
}
