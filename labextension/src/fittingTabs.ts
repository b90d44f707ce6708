/** Which tabs fit into a row. Pure. */

const MORE = 52; // pixels of the button "More"

/** The tabs that fit, by index; the selected one takes the place of the last if need be. */
export function fitting(widths: readonly number[], room: number, selected: number): number[] {
  const all = widths.map((_, at) => at);
  if (widths.reduce((sum, w) => sum + w, 0) <= room) {
    return all;
  }
  const shown: number[] = [];
  let left = room - MORE - (widths[selected] ?? 0);
  for (const at of all) {
    if (at === selected) {
      shown.push(at);
    } else if (widths[at] <= left) {
      shown.push(at);
      left -= widths[at];
    } else {
      left = 0; // the order of the tabs stays
    }
  }
  return shown;
}
