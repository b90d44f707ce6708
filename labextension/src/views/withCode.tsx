/** A sentence of ours, with what is between backticks as code. */

import React from 'react';

export function withCode(text: string): React.ReactNode[] {
  return text.split('`').map((part, at) => (at % 2 ? <code key={at}>{part}</code> : part));
}
