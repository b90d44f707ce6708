import React from 'react';
import type { ViewProps } from './tabs';

export function Prompts(_: ViewProps): JSX.Element {
  return <></>;
}
