/** Changes of what a notebook shows: at most once a frame, and when a kernel with fmnb comes or goes. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernels } from './kernels';

export function onPanelChanges(tracker: INotebookTracker, kernels: Kernels, onChange: (panel: NotebookPanel) => void): void {
  const follow = (panel: NotebookPanel) => {
    let frame = 0;
    const schedule = () => (frame ||= requestAnimationFrame(() => ((frame = 0), onChange(panel))));
    const observer = new MutationObserver(schedule);
    observer.observe(panel.content.node, { childList: true, subtree: true });
    kernels.changed.connect(schedule);
    panel.disposed.connect(() => {
      observer.disconnect();
      kernels.changed.disconnect(schedule);
      cancelAnimationFrame(frame);
    });
  };
  tracker.forEach(follow);
  tracker.widgetAdded.connect((_, panel) => follow(panel));
}
