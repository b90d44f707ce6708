/**
 * A long list that renders only visible rows. The caller sets row heights; at most one row has
 * height 0 and is measured.
 */

import React, { useEffect, useLayoutEffect, useRef, useState } from 'react';

export type Row = { key: string; height: number };

const OVERSCAN = 300; // extra pixels rendered above and below, against gaps while scrolling fast

type Props<T extends Row> = {
  rows: readonly T[];
  draw: (row: T, at: number) => React.ReactNode;
  /** The row to scroll into view when it changes. */
  active: string;
  attributes: React.HTMLAttributes<HTMLDivElement>;
};

export function VirtualList<T extends Row>({ rows, draw, active, attributes }: Props<T>): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const measured = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(120);
  const [view, setView] = useState({ top: 0, height: 600 });
  const tops: number[] = [0];
  for (const row of rows) {
    tops.push(tops[tops.length - 1] + (row.height || open));
  }
  const step = 100; // pixels between two renders while scrolling
  const updateView = () => {
    const { scrollTop, clientHeight } = box.current!;
    const top = Math.floor(scrollTop / step) * step;
    setView(now => (now.top === top && now.height === clientHeight ? now : { top, height: clientHeight }));
  };
  useEffect(() => {
    const watcher = new ResizeObserver(updateView);
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
      updateView(); // the active row is in the page at once
    }
  }, [active, open]);
  const from = Math.max(0, countBelow(tops, view.top - OVERSCAN) - 1);
  const to = countBelow(tops, view.top + step + view.height + OVERSCAN);
  return (
    <div ref={box} {...attributes} onScroll={updateView}>
      <div className="fmnb-VirtualSpace" role="presentation" style={{ height: tops[rows.length] }}>
        {rows.slice(from, to).map((row, i) => (
          <div
            key={row.key}
            role="presentation"
            className="fmnb-VirtualRow"
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

/** How many of the ascending numbers are below a bound. */
function countBelow(tops: readonly number[], bound: number): number {
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
