import React from 'react';
import type { ViewProps } from './tabs';

export function Models(_: ViewProps): JSX.Element {
  return <></>;
}
