import React from 'react';
import type { ViewProps } from './tabs';

export function Keys(_: ViewProps): JSX.Element {
  return <></>;
}
