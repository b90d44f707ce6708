/**
 * A model's name on one line. A name that does not fit is shortened in the middle: names of one
 * family begin alike, and what tells them apart is at the end.
 */

import React from 'react';

const TAIL = 9; // characters that stay visible

export function ModelName({ name, title }: { name: string; title?: string }): JSX.Element {
  const cut = name.length > 2 * TAIL ? name.length - TAIL : name.length;
  return (
    <span className="fmnb-Name" title={title ?? name}>
      <span>{name.slice(0, cut)}</span>
      {cut < name.length && <span className="fmnb-NameTail">{name.slice(cut)}</span>}
    </span>
  );
}
