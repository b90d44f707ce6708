/** A run in one line: what it does, how far it is, how it ended. Used by Local and Activity. */

import React from 'react';
import { live, type Run } from '../fold';
import { bytes, dollars } from '../format';
import type { ViewProps } from './props';

/** What a run does now, in words. */
export function doing(run: Run, trans: ViewProps['trans']): string {
  if (run.standing === 'waiting') {
    return run.waiting;
  }
  if (run.standing === 'failed') {
    return String(run.error?.message ?? trans.__('failed'));
  }
  if (run.standing === 'cancelled') {
    return run.note || trans.__('stopped');
  }
  if (run.standing === 'finished') {
    return trans.__('done');
  }
  if (run.unit === 'bytes') {
    const so = run.total ? trans.__('%1 of %2', bytes(run.done), bytes(run.total)) : bytes(run.done);
    return run.speed ? trans.__('%1, %2 a second', so, bytes(run.speed)) : so;
  }
  const much = run.done ? `${Math.round(run.done).toLocaleString()}${run.total ? ` / ${Math.round(run.total).toLocaleString()}` : ''} ${run.unit}` : '';
  return [run.stage || trans.__('started'), much].filter(Boolean).join(': ');
}

export function RunLine({ model, trans, run }: ViewProps & { run: Run }): JSX.Element {
  const [now, setNow] = React.useState(Date.now() / 1000);
  const running = live(run);
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
          <button className="fmnb-Small" aria-label={trans.__('Stop %1', run.model)} onClick={() => void model.stop(run.run)}>
            {trans.__('Stop')}
          </button>
        )}
      </div>
      {run.prompt && <div className="fmnb-Facts fmnb-Quiet">{run.prompt}</div>}
      <div className={run.standing === 'failed' ? 'fmnb-Warn' : 'fmnb-Quiet'}>
        {doing(run, trans)}
        {run.usage.cost ? `, ${run.usage.estimated ? '~' : ''}${dollars(run.usage.cost)}` : ''}
      </div>
      {running && run.total ? <progress className="fmnb-Bar" max={run.total} value={run.done} aria-label={run.stage || run.model} /> : null}
    </li>
  );
}
