"""How events look: text, safe HTML, live output in a notebook.

Which effects model text may have on the page is decided here.

- `router`: which view a cell gets, and one view for each run
- `live`: an answer in a notebook while it streams, updated in place
- `text`: an answer in a terminal
- `bundle`: a complete answer as a MIME bundle: HTML, Markdown, text, provenance
- `footer`: formats the line under an answer (model, host, time, tokens, cost) and the details behind it; tokens are counted in `providers/wire`, `providers/answer_cost` and the engines
- `model_name`: the short name of a model, and the full one
- `comparison`: answers side by side as static HTML
- `batch`: a batch while it runs: progress bar, first rows, summary
- `batch_preview`: the first rows of a batch as a table
- `progress`: a progress bar for a long step outside a cell magic
- `status_text`: waits, retries and progress in words
- `marked_answer`: figures and citations of an answer, marked by where they come from
- `sources`: citations and retrieved sources below an answer
- `diff`: two texts compared word by word
- `colors`: colors and fonts of HTML with inline styles
- `html`: model text as HTML that cannot run anything
- `look`: the CSS that widgets, panels and reports share
- `math`: TeX inside Markdown
- `forged_footer`: model text for plain output: terminal escapes, lines that imitate our footer
- `static_output`: final output only, where a program runs the notebook
"""
