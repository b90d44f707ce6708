/** Properties and actions of one model. */

import React from 'react';
import { isReady } from '../filters';
import type { Entry, HubModel } from '../types';
import { ago, bytes, dollars } from '../format';
import type { ViewProps } from './props';

export function EntryDetails({ model, commands, trans, entry }: ViewProps & { entry: Entry }): JSX.Element {
  const now = Date.now() / 1000;
  const nameable = !entry.model.endsWith('…');
  const locked = entry.ready === 'locked';
  const properties: [string, string | false | null][] = [
    [trans.__('Name'), nameable && entry.model],
    [trans.__('Runs'), entry.local ? trans.__('on this machine') : trans.__('at %1', entry.host)],
    [trans.__('Context'), entry.context !== null && trans.__('%1 tokens', entry.context.toLocaleString())],
    [trans.__('Input'), entry.inputs.join(', ')],
    [trans.__('Output'), entry.outputs.join(', ')],
    [trans.__('Price'), price(entry, trans)],
    [trans.__('Size'), entry.size !== null && trans.__('%1 on disk', bytes(entry.size))],
    [trans.__('Memory'), entry.memory !== null && bytes(entry.memory)],
    [trans.__('License'), entry.license],
    [trans.__('Last used'), entry.used !== null && ago(entry.used, now)],
    [trans.__('Source'), entry.source && (entry.at === null ? entry.source : `${entry.source}, ${ago(entry.at, now)}`)],
    [locked ? trans.__('Locked') : trans.__('Note'), entry.note]
  ];
  const pull = /^%fm pull (.+)$/.exec(entry.ready)?.[1];
  const key = /^%fm key set (.+)$/.exec(entry.ready)?.[1];
  return (
    <>
      <PropertyList properties={properties} />
      {!isReady(entry) && !locked && (
        <p className="fmnb-NextStep">
          {trans.__('Run first:')} <code>{entry.ready}</code>
        </p>
      )}
      <div className="fmnb-Actions">
        {!locked && nameable && (
          <>
            <button
              className="fm-button fm-primary"
              disabled={!model.notebook}
              title={model.notebook ? undefined : trans.__('Open a notebook first')}
              onClick={() => void commands.execute('fmnb:use-model', { model: entry.model })}
            >
              {trans.__('Use in this notebook')}
            </button>
            <button
              className="fm-button"
              disabled={model.about?.default_model === entry.model}
              onClick={() => void commands.execute('fmnb:set-default', { model: entry.model })}
            >
              {model.about?.default_model === entry.model ? trans.__('Default') : trans.__('Default everywhere')}
            </button>
          </>
        )}
        {pull && (
          <button className="fm-button" onClick={() => planDownload(model, pull)}>
            {trans.__('Download…')}
          </button>
        )}
        {key && (
          <button className="fm-button" onClick={() => model.show('keys')}>
            {trans.__('Set a key')}
          </button>
        )}
      </div>
    </>
  );
}

export function HubDetails({ model, trans, found }: ViewProps & { found: HubModel }): JSX.Element {
  const files = [...found.files].sort((a, b) => (a.size ?? 0) - (b.size ?? 0));
  return (
    <>
      <PropertyList
        properties={[
          [trans.__('Name'), found.source],
          [trans.__('Task'), found.task],
          [trans.__('Size'), found.size !== null && trans.__('%1 in total', bytes(found.size))],
          [trans.__('License'), (found.license || trans.__('not stated')) + (found.gated ? trans.__(', must be accepted on the model page first') : '')],
          [trans.__('Downloads'), found.downloads !== null && found.downloads.toLocaleString()]
        ]}
      />
      <div className="fmnb-Actions">
        {files.length === 0 ? (
          <button className="fm-button" onClick={() => planDownload(model, found.source)}>
            {trans.__('Download…')}
          </button>
        ) : (
          files.map(f => (
            <button key={f.name} className="fm-button fmnb-File" onClick={() => planDownload(model, `${found.source}/${f.name}`)}>
              {trans.__('Download %1…', f.name)} {f.size !== null && <span className="fmnb-Secondary">{bytes(f.size)}</span>}
            </button>
          ))
        )}
      </div>
    </>
  );
}

/** Show size, license and free disk space in Local, before the download starts there. */
export function planDownload(model: ViewProps['model'], source: string): void {
  model.show('local');
  void model.data.requestPlan(source);
}

function PropertyList({ properties }: { properties: [string, string | false | null][] }): JSX.Element {
  return (
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
    </dl>
  );
}

function price({ local, price_in, price_out }: Entry, trans: ViewProps['trans']): string {
  if (local) {
    return '';
  }
  return price_in === null || price_out === null
    ? trans.__('unknown')
    : trans.__('%1 in, %2 out per million tokens', dollars(price_in), dollars(price_out));
}
