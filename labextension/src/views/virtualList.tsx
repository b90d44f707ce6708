/**
 * A long list of which only what is in sight is in the page. Rows have the height that the caller
 * says; one row at most is measured instead (its height is 0), as tall as it turns out to be.
 */

import React, { useEffect, useLayoutEffect, useRef, useState } from 'react';

export type Row = { key: string; height: number };

const BEYOND = 300; // pixels above and below that are drawn too, so that a fast wheel meets no gaps

type Props<T extends Row> = {
  rows: readonly T[];
  draw: (row: T, at: number) => React.ReactNode;
  /** The row to keep in sight whenever it changes. */
  active: string;
  attributes: React.HTMLAttributes<HTMLDivElement>;
};

export function Windowed<T extends Row>({ rows, draw, active, attributes }: Props<T>): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const measured = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(120);
  const [view, setView] = useState({ top: 0, height: 600 });
  const tops: number[] = [0];
  for (const row of rows) {
    tops.push(tops[tops.length - 1] + (row.height || open));
  }
  const step = 100; // drawn anew every so many pixels, not at every one
  const look = () => {
    const { scrollTop, clientHeight } = box.current!;
    const top = Math.floor(scrollTop / step) * step;
    setView(now => (now.top === top && now.height === clientHeight ? now : { top, height: clientHeight }));
  };
  useEffect(() => {
    const watcher = new ResizeObserver(look);
    watcher.observe(box.current!);
    return () => watcher.disconnect();
  }, []);
  useLayoutEffect(() => {
    const height = measured.current?.offsetHeight;
    if (height && height !== open) {
      setOpen(height);
    }
  });
  useLayoutEffect(() => {
    const at = rows.findIndex(r => r.key === active);
    if (at >= 0) {
      const { scrollTop, clientHeight } = box.current!;
      const end = tops[at + 1] + (rows[at + 1]?.height === 0 ? Math.min(open, clientHeight - (tops[at + 1] - tops[at])) : 0);
      if (tops[at] < scrollTop) {
        box.current!.scrollTop = tops[at];
      } else if (end > scrollTop + clientHeight) {
        box.current!.scrollTop = end - clientHeight;
      }
      look(); // who is told of the active row finds it in the page at once
    }
  }, [active, open]);
  const from = Math.max(0, below(tops, view.top - BEYOND) - 1);
  const to = below(tops, view.top + step + view.height + BEYOND);
  return (
    <div ref={box} {...attributes} onScroll={look}>
      <div className="fmnb-Tall" role="presentation" style={{ height: tops[rows.length] }}>
        {rows.slice(from, to).map((row, i) => (
          <div
            key={row.key}
            role="presentation"
            className="fmnb-Place"
            ref={row.height ? undefined : measured}
            style={{ transform: `translateY(${tops[from + i]}px)`, height: row.height || undefined }}
          >
            {draw(row, from + i)}
          </div>
        ))}
      </div>
    </div>
  );
}

/** How many of the rising numbers lie below a bound. */
function below(tops: readonly number[], bound: number): number {
  let [low, high] = [0, tops.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tops[middle] < bound) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
