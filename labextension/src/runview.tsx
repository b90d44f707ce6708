/** One run of the log in the main area: prompt, events, cost. Text only: model output is never rendered. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';
import { modelIcon } from './icons';
import type { Event, RunDetail } from './types';
import { dollars } from './format';

export class RunView extends ReactWidget {
  constructor(
    private detail: RunDetail,
    private trans: TranslationBundle
  ) {
    super();
    const { row } = detail;
    this.id = `fmnb-run-${row.run}`;
    this.addClass('fmnb-RunView');
    this.title.label = row.prompt.slice(0, 24) || row.run;
    this.title.icon = modelIcon;
    this.title.closable = true;
    this.node.tabIndex = 0;
  }

  protected render(): JSX.Element {
    const { row, request, events } = this.detail;
    const t = this.trans;
    const start = row.started;
    const [first] = row.prompt.trim().split('\n');
    const title = first.length > 120 ? `${first.slice(0, 119)}…` : first || row.run;
    const properties: [string, string][] = [
      [t.__('Run'), row.run],
      [t.__('Model'), row.model],
      [t.__('Started'), new Date(1000 * row.started).toLocaleString()],
      [t.__('Ended'), `${row.finish_reason}${row.source === 'live' ? '' : ` (${row.source})`}`],
      [t.__('Duration'), row.seconds === null ? '' : t.__('%1 s', row.seconds.toFixed(2))],
      [t.__('Tokens'), row.input_tokens === null ? '' : t.__('%1 in, %2 out', row.input_tokens, row.output_tokens ?? '?')],
      [t.__('Cost'), row.cost === null ? t.__('unknown') : dollars(row.cost)],
      [t.__('Notebook'), row.notebook],
      [t.__('Error'), row.error ?? '']
    ];
    const messages = (request?.messages ?? []) as { role: string; parts: { type: string; text?: string }[] }[];
    const settings = Object.entries(request ?? {}).filter(([name]) => !['messages', 'model'].includes(name));
    return (
      <main aria-label={t.__('A run of a foundation model')}>
        <h2>{title}</h2>
        <dl className="fmnb-Facts">
          {properties.map(
            ([name, value]) =>
              value && (
                <React.Fragment key={name}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </React.Fragment>
              )
          )}
          {settings.map(([name, value]) => (
            <React.Fragment key={name}>
              <dt>{name}</dt>
              <dd>{JSON.stringify(value)}</dd>
            </React.Fragment>
          ))}
        </dl>
        {messages.map((m, i) => (
          <section key={i} aria-label={m.role}>
            <h3>{m.role}</h3>
            <pre>{m.parts.map(p => p.text ?? `[${p.type}]`).join('\n')}</pre>
          </section>
        ))}
        <section aria-label={t.__('Answer')}>
          <h3>{t.__('answer')}</h3>
          <pre>{textOf(events)}</pre>
        </section>
        <section aria-label={t.__('Events')}>
          <h3>{t.__('%1 events', events.length)}</h3>
          <table className="fm-table fmnb-Events">
            <thead>
              <tr>
                <th scope="col">{t.__('s')}</th>
                <th scope="col">{t.__('event')}</th>
                <th scope="col">{t.__('details')}</th>
              </tr>
            </thead>
            <tbody>
              {eventLines(events).map((e, i) => (
                <tr key={i}>
                  <td>{(e.at - start).toFixed(2)}</td>
                  <td>
                    {e.event}
                    {e.count > 1 && ` × ${e.count}`}
                  </td>
                  <td>{e.details}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </main>
    );
  }
}

const textOf = (events: readonly Record<string, unknown>[]) =>
  events
    .filter(e => e.event === 'TextDelta')
    .map(e => (e as unknown as Extract<Event, { event: 'TextDelta' }>).text)
    .join('');

type EventLine = { at: number; event: string; count: number; details: string };

/** Events as lines; consecutive deltas of one text are merged. */
function eventLines(events: readonly Record<string, unknown>[]): EventLine[] {
  const lines: EventLine[] = [];
  for (const e of events) {
    const [at, event] = [Number(e.at), String(e.event)];
    const last = lines[lines.length - 1];
    const text = event.endsWith('Delta') && typeof e.text === 'string' ? e.text : undefined;
    if (text === undefined) {
      lines.push({ at, event, count: 1, details: fieldsText(e) });
    } else if (last?.event === event) {
      last.count++;
      last.details += text;
    } else {
      lines.push({ at, event, count: 1, details: text });
    }
  }
  return lines;
}

/** The fields of an event, shortened. */
function fieldsText(e: Record<string, unknown>): string {
  const { event: _e, run: _r, n: _n, at: _a, ...own } = e;
  const text = JSON.stringify(own);
  return text === '{}' ? '' : text.length > 300 ? `${text.slice(0, 299)}…` : text;
}
