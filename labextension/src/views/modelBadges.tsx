/** The facts of a model that a row has room for: what it takes and makes, what it costs. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import React from 'react';
import { pictureIcon, seesIcon, soundIcon, vectorIcon, videoIcon } from '../icons';
import type { Entry } from '../types';
import { bytes, dollars } from '../format';

/** Icons for all that is not plainly text in, text out. */
export function Senses({ entry, trans }: { entry: Entry; trans: TranslationBundle }): JSX.Element {
  const shown: [LabIcon, string][] = [];
  const add = (there: boolean, icon: LabIcon, label: string) => there && shown.push([icon, label]);
  add(entry.inputs.includes('image'), seesIcon, trans.__('sees images'));
  add(entry.inputs.includes('audio') || entry.outputs.includes('audio'), soundIcon, trans.__('hears or speaks'));
  add(entry.outputs.includes('image'), pictureIcon, trans.__('makes images'));
  add(entry.outputs.includes('video'), videoIcon, trans.__('makes videos'));
  add(entry.outputs.includes('vector'), vectorIcon, trans.__('makes vectors of texts'));
  return (
    <>
      {shown.map(([icon, label]) => (
        <Sign key={label} icon={icon} label={label} />
      ))}
    </>
  );
}

/** An icon that means something by itself. */
export function Sign({ icon, label }: { icon: LabIcon; label: string }): JSX.Element {
  return (
    <span className="fmnb-Sense" role="img" aria-label={label} title={label}>
      <icon.react tag={null} />
    </span>
  );
}

/** Memory or size for what runs here, price per million tokens in and out for the rest. */
export function costOf(entry: Entry, trans: TranslationBundle): string {
  if (entry.local) {
    const size = entry.memory ?? entry.size;
    return size === null ? '' : bytes(size);
  }
  if (entry.price_in === null || entry.price_out === null) {
    return entry.model.endsWith('…') ? '' : trans.__('price unknown');
  }
  return entry.price_in === 0 && entry.price_out === 0 ? trans.__('free') : `${dollars(entry.price_in)} / ${dollars(entry.price_out)}`;
}

/** What stands between a model and its first answer, in a word. */
export function stateOf({ ready }: Entry, trans: TranslationBundle): string {
  if (ready.startsWith('%fm pull')) {
    return trans.__('not here');
  }
  if (ready.startsWith('%fm key')) {
    return trans.__('no key');
  }
  return ready.startsWith('%pip') ? trans.__('needs a package') : '';
}
