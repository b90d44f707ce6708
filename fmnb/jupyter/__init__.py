"""Magics, widgets, the sidebar's server side, and the comm to the page.

- `comm`: kernel and page: model choice, runs, stop button (the page's half: `labextension/src/model.ts` and `kernels.ts`), feedback buttons
- `questions`: questions as a form under the running cell
- `magics`: `%%fm` and `%fm`
- `widgets`: playground, chat, comparison grid and others
- `server`: handlers of Jupyter Server
"""
