/** What runs, what was asked, what it cost. */

import { UseSignal } from '@jupyterlab/ui-components';
import React from 'react';
import { later, live, ofRow, type Run } from '../fold';
import type { RunRow, Spent } from '../types';
import { ago, count, dollars } from '../format';
import { RunLine } from './runs';
import type { ViewProps } from './props';

export function Activity(props: ViewProps): JSX.Element {
  const { model, trans } = props;
  const path = model.notebook?.context.path ?? '';
  const ended = React.useRef('');
  React.useEffect(() => void model.data.open('activity', path), [path, model.about]);
  React.useEffect(() => {
    // A run that ended is in the log now.
    const look = () => {
      const now = [...model.runs.values()].filter(r => !live(r)).map(r => r.run).join();
      if (now !== ended.current) {
        ended.current = now;
        void model.data.open('activity', path);
      }
    };
    model.runsChanged.connect(look);
    return () => void model.runsChanged.disconnect(look);
  }, [path]);
  const activity = model.data.activity;
  return (
    <div className="fmnb-Scroll">
      <UseSignal signal={model.runsChanged}>{() => <Live {...props} />}</UseSignal>
      <section aria-label={trans.__('Spent')}>
        {activity && (
          <dl className="fmnb-Table">
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
        <div className="fmnb-Ask">
          <input
            className="jp-mod-styled"
            type="search"
            value={model.data.words}
            placeholder={trans.__('Search questions and answers')}
            aria-label={trans.__('Search questions and answers')}
            onChange={e => model.data.search(e.target.value, path)}
          />
        </div>
        {activity && !activity.logging && <p className="fmnb-Warn">{trans.__('The log is off: nothing is written down. `%fm log on` turns it on.')}</p>}
        {activity?.runs.length === 0 && <p className="fmnb-Quiet">{model.data.words ? trans.__('Nothing fits.') : trans.__('Nothing was asked yet.')}</p>}
        <ul className="fmnb-Plain">
          {activity?.runs.filter(r => r.kind !== 'compare' && !live(heard(model, r))).map(r => (
            <Row key={r.run} {...props} row={r} />
          ))}
          {activity && !activity.logging && seenToEnd(model).map(r => <RunLine key={r.run} {...props} run={r} />)}
        </ul>
      </section>
    </div>
  );
}

/** What a kernel told of a run, or what the log has, whichever knows more. A run of the log that nobody tells of has ended somehow. */
function heard(model: ViewProps['model'], row: RunRow): Run {
  const told = model.runs.get(row.run);
  return told ? later(told, ofRow(row)) : { ...ofRow(row), standing: 'finished' };
}

/** What this page saw end: all there is where the log is off. */
const seenToEnd = (model: ViewProps['model']) => [...model.runs.values()].filter(r => !live(r)).reverse();

function Live(props: ViewProps): JSX.Element | null {
  const running = [...props.model.runs.values()].filter((r: Run) => live(r) && r.kind !== 'compare');
  return (
    <section aria-label={props.trans.__('Running now')}>
      <h3>{props.trans.__('Running now')}</h3>
      {running.length === 0 && <p className="fmnb-Quiet">{props.trans.__('Nothing runs.')}</p>}
      <ul className="fmnb-Plain">
        {running.map(r => (
          <RunLine key={r.run} {...props} run={r} />
        ))}
      </ul>
    </section>
  );
}

/** What this notebook's kernel spent of what it may spend. */
function Budget({ model, trans }: ViewProps): JSX.Element | null {
  const state = model.kernels.of(model.notebook)?.state;
  if (!state || state.budget === null) {
    return null;
  }
  const words = trans.__('%1 of %2', dollars(state.spent), dollars(state.budget));
  return (
    <div>
      <div className="fmnb-Line">
        <span>{trans.__('Budget of this kernel')}</span>
        <span className="fmnb-State">{words}</span>
      </div>
      <meter className="fmnb-Bar" min={0} max={state.budget || 1} high={0.8 * state.budget} optimum={0} value={state.spent} aria-label={words} />
    </div>
  );
}

function spent(s: Spent, trans: ViewProps['trans']): string {
  const unknown = s.unknown ? `, ${trans._n('%1 of unknown price', '%1 of unknown price', s.unknown)}` : '';
  const calls = trans._n('%1 call', '%1 calls', s.calls);
  return `${calls}, ${trans.__('%1 in, %2 out', count(s.input_tokens), count(s.output_tokens))}, ${dollars(s.cost)}${unknown}`;
}

function Row({ model, commands, trans, row }: ViewProps & { row: RunRow }): JSX.Element {
  const call = row.kind === 'call';
  const cut = ['cancelled', 'unfinished', 'length'].includes(row.finish_reason) && !row.error;
  return (
    <li className="fmnb-Run">
      <div className="fmnb-Line">
        <button className="fmnb-Link fmnb-Name fmnb-Grow" title={trans.__('Open the whole run')} onClick={() => void commands.execute('fmnb:open-run', { run: row.run })}>
          {call ? row.prompt || trans.__('(no text)') : `${row.kind}: ${row.model}`}
        </button>
        {call && (
          <button
            className="fmnb-Small"
            disabled={!model.notebook}
            aria-label={trans.__('Insert this question as a cell')}
            onClick={() => void commands.execute('fmnb:insert-run', { run: row.run })}
          >
            {trans.__('Insert')}
          </button>
        )}
      </div>
      <div className="fmnb-Quiet fmnb-Facts">
        {[row.model, ago(row.started, Date.now() / 1000), row.cost ? dollars(row.cost) : '', row.source === 'live' ? '' : row.source, cut ? row.finish_reason : ''].filter(Boolean).join(' · ')}
      </div>
      {row.error && <div className="fmnb-Warn">{row.error}</div>}
    </li>
  );
}
