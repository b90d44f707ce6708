/**
 * A model's name on one line. A name that does not fit is shortened in the middle: names of one
 * family begin alike, and what tells them apart is at the end.
 */

import React from 'react';

const TAIL = 9; // characters that stay visible

export function ModelName({ name, title }: { name: string; title?: string }): JSX.Element {
  const cut = name.length > 2 * TAIL ? name.length - TAIL : name.length;
  if (cut === name.length) {
    return (
      <span className="fmnb-Name" title={title ?? name}>
        {name}
      </span>
    );
  }
  return (
    <span className="fmnb-Name fmnb-mod-split" title={title ?? name}>
      <span className="fmnb-VisuallyHidden">{name}</span>
      <span aria-hidden="true">{name.slice(0, cut)}</span>
      <span aria-hidden="true" className="fmnb-NameTail">
        {name.slice(cut)}
      </span>
    </span>
  );
}
