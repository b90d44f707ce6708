/** Icons of fmnb; the rest are JupyterLab's. */

import { LabIcon } from '@jupyterlab/ui-components';

const svg = (body: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16"><g class="jp-icon3" fill="#616161">${body}</g></svg>`;
const icon = (name: string, body: string) => new LabIcon({ name: `fmnb:${name}`, svgstr: svg(body) });

/** Three cells of a honeycomb, one of them lit. */
export const modelIcon = icon(
  'model',
  '<path d="M8 1.1 14 4.6v6.8L8 14.9 2 11.4V4.6zM8 2.5 3.2 5.3v5.4L8 13.5l4.8-2.8V5.3z"/><path d="M8 5 10.6 6.5v3L8 11 5.4 9.5v-3z"/>'
);
export const imageInputIcon = icon(
  'image-input',
  '<path d="M8 3.5c3.3 0 5.8 2.2 7 4.5-1.200 2.300-3.700 4.500-7 4.500S2.200 10.300 1 8c1.200-2.300 3.700-4.500 7-4.500zm0 1.200C5.500 4.700 3.500 6.200 2.400 8c1.100 1.800 3.100 3.300 5.600 3.300s4.500-1.500 5.600-3.300C12.500 6.200 10.500 4.700 8 4.700zm0 1.100a2.200 2.200 0 1 1 0 4.400 2.200 2.200 0 0 1 0-4.400z"/>'
);
export const imageOutputIcon = icon(
  'image-output',
  '<path d="M2 3h12v10H2zm1.200 1.200v7.600h9.600V4.200zm.8 6.800 2.600-3.600 1.800 2.200 1.400-1.600L12 11zm6.500-5.600a1 1 0 1 1 0 2 1 1 0 0 1 0-2z"/>'
);
export const videoIcon = icon('video', '<path d="M1.500 4h9v8h-9zm10 3 3-2v6l-3-2z"/>');
export const vectorIcon = icon(
  'vector',
  '<path d="M2.500 2.500h1.200v9.800h9.800v1.200h-11zM5 10.200l5-5H7.500V4H12v4.500h-1.200V6.100l-5 5z"/>'
);
export const audioIcon = icon('audio', '<path d="M2 6h2.500L8 3v10L4.500 10H2zm8 .2a2.500 2.500 0 0 1 0 3.600zm0-2.700a5 5 0 0 1 0 9v-1.200a3.800 3.800 0 0 0 0-6.600z"/>');
export const lockIcon = icon('lock', '<path d="M4.500 7V5a3.500 3.500 0 0 1 7 0v2h1v7h-9V7zm1.300 0h4.400V5a2.200 2.200 0 0 0-4.400 0z"/>');
