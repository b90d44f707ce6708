import React from 'react';
import type { ViewProps } from './tabs';

export function Activity(_: ViewProps): JSX.Element {
  return <></>;
}
