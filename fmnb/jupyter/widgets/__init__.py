"""Widgets: comparisons to vote on, playground, conversations, the log.

Each widget is three files of one name: `.py` (behavior), `.js` and `.css`. A widget holds no logic that a script would miss,
and what it shows is in the notebook as plain HTML too, for readers without a kernel.

- `base`: what all widgets share: files, messages, static HTML
- `grid`: a comparison to look at and vote on
- `grid_stream`: feeds the grid while answers stream
- `playground`: `fm.Playground`
- `chat`: the widget of a conversation
- `history`: `fm.History`
- `interact`: `fm.Interact`: a prompt with sliders and menus
- `labeler`: `fm.Labeler`: rows to label
- `report`: the report of an evaluation
- `ask_mixin`: calls from a widget, each with a stop button
- `answer_stream`: one answer that streams into a widget
- `model_picker`: the field that chooses a model
- `cell_source`: the cell that repeats a request
"""
