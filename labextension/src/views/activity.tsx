/** Running calls, recent runs and their cost. */

import { UseSignal } from '@jupyterlab/ui-components';
import React from 'react';
import { newer, isActive, fromRow, type Run } from '../fold';
import type { RunRow, Spending } from '../types';
import { ago, count, dollars } from '../format';
import { shortName } from '../modelNames';
import { RunLine } from './runs';
import type { ViewProps } from './props';
import { withCode } from './withCode';

export function Activity(props: ViewProps): JSX.Element {
  const { model, trans } = props;
  const path = model.notebook?.context.path ?? '';
  const ended = React.useRef('');
  React.useEffect(() => void model.data.open('activity', path), [path, model.about]);
  React.useEffect(() => {
    // An ended run is in the log now.
    const refresh = () => {
      const now = [...model.runs.values()].filter(r => !isActive(r)).map(r => r.run).join();
      if (now !== ended.current) {
        ended.current = now;
        void model.data.open('activity', path);
      }
    };
    model.runsChanged.connect(refresh);
    return () => void model.runsChanged.disconnect(refresh);
  }, [path]);
  const activity = model.data.activity;
  return (
    <div className="fmnb-Scroll">
      <UseSignal signal={model.runsChanged}>{() => <Live {...props} />}</UseSignal>
      <section aria-label={trans.__('Spent')}>
        {activity && (
          <dl className="fmnb-Facts">
            <dt>{trans.__('This notebook')}</dt>
            <dd>{path ? spent(activity.notebook, trans) : trans.__('none open')}</dd>
            <dt>{trans.__('Today')}</dt>
            <dd>{spent(activity.today, trans)}</dd>
          </dl>
        )}
        <Budget {...props} />
      </section>
      <section aria-label={trans.__('Recent runs')}>
        <h3>{trans.__('Recent')}</h3>
        <div className="fmnb-InputRow">
          <input
            className="fm-input"
            type="search"
            value={model.data.query}
            placeholder={trans.__('Search prompts and answers')}
            aria-label={trans.__('Search prompts and answers')}
            onChange={e => model.data.search(e.target.value, path)}
          />
        </div>
        {activity && !activity.logging && <p className="fmnb-Warning">{withCode(trans.__('The log is off: runs are not stored. `%fm log on` turns it on.'))}</p>}
        {activity?.runs.length === 0 && <p className="fmnb-Secondary">{model.data.query ? trans.__('No run matches.') : trans.__('No runs yet.')}</p>}
        <ul className="fmnb-PlainList">
          {activity?.runs.filter(r => r.kind !== 'compare' && !isActive(latestRun(model, r))).map(r => (
            <Row key={r.run} {...props} row={r} />
          ))}
          {activity && !activity.logging && endedRuns(model).map(r => <RunLine key={r.run} {...props} run={r} />)}
        </ul>
      </section>
    </div>
  );
}

/** The newer of a kernel's and the log's state of a run. A run of the log without events has ended. */
function latestRun(model: ViewProps['model'], row: RunRow): Run {
  const reported = model.runs.get(row.run);
  return reported ? newer(reported, fromRow(row)) : { ...fromRow(row), state: 'finished' };
}

/** Runs that ended while the page was open; the only list if the log is off. */
const endedRuns = (model: ViewProps['model']) => [...model.runs.values()].filter(r => !isActive(r)).reverse();

function Live(props: ViewProps): JSX.Element | null {
  const running = [...props.model.runs.values()].filter((r: Run) => isActive(r) && r.kind !== 'compare');
  return (
    <section aria-label={props.trans.__('Running now')}>
      <h3>{props.trans.__('Running now')}</h3>
      {running.length === 0 && <p className="fmnb-Secondary">{props.trans.__('No runs in progress.')}</p>}
      <ul className="fmnb-PlainList">
        {running.map(r => (
          <RunLine key={r.run} {...props} run={r} />
        ))}
      </ul>
    </section>
  );
}

/** Spending of this notebook's kernel against its budget. */
function Budget({ model, trans }: ViewProps): JSX.Element | null {
  const state = model.kernels.of(model.notebook)?.state;
  if (!state || state.budget === null) {
    return null;
  }
  const text = trans.__('%1 of %2', dollars(state.spent), dollars(state.budget));
  return (
    <div>
      <div className="fmnb-Line">
        <span>{trans.__('Budget of this kernel')}</span>
        <span className="fmnb-State">{text}</span>
      </div>
      <meter className="fm-progress" min={0} max={state.budget || 1} high={0.8 * state.budget} optimum={0} value={state.spent} aria-label={text} />
    </div>
  );
}

function spent(s: Spending, trans: ViewProps['trans']): string {
  const unknown = s.unknown ? `, ${trans._n('%1 with unknown price', '%1 with unknown price', s.unknown)}` : '';
  const calls = trans._n('%1 call', '%1 calls', s.calls);
  return `${calls}, ${trans.__('%1 in, %2 out', count(s.input_tokens), count(s.output_tokens))}, ${dollars(s.cost)}${unknown}`;
}

function Row({ model, commands, trans, row }: ViewProps & { row: RunRow }): JSX.Element {
  const call = row.kind === 'call';
  const incomplete = ['cancelled', 'unfinished', 'length'].includes(row.finish_reason) && !row.error;
  return (
    <li className="fmnb-Run">
      <div className="fmnb-Line">
        <button className="fm-link fmnb-Name fmnb-Flex" title={trans.__('Open this run')} onClick={() => void commands.execute('fmnb:open-run', { run: row.run })}>
          {call ? row.prompt || trans.__('(no text)') : `${row.kind}: ${shortName(row.model)}`}
        </button>
        {call && (
          <button
            className="fm-button"
            disabled={!model.notebook}
            aria-label={trans.__('Insert this prompt as a cell')}
            onClick={() => void commands.execute('fmnb:insert-run', { run: row.run })}
          >
            {trans.__('Insert')}
          </button>
        )}
      </div>
      <div className="fmnb-Secondary fmnb-Meta">
        {[shortName(row.model), ago(row.started, Date.now() / 1000), row.cost ? dollars(row.cost) : '', row.source === 'live' ? '' : row.source, incomplete ? row.finish_reason : ''].filter(Boolean).join(' · ')}
      </div>
      {row.error && <div className="fmnb-Warning">{row.error}</div>}
    </li>
  );
}
