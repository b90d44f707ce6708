import React from 'react';
import type { ViewProps } from './tabs';

export function Local(_: ViewProps): JSX.Element {
  return <></>;
}
