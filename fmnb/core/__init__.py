"""Values, events, errors and protocols that every room uses.

Independent of Jupyter, HTTP, SQL and torch.

- `types`: messages, requests, usage, model facts, and their JSON form
- `typing`: types of what public functions accept: models, tables, schemas
- `labels`: trust, data class and columns of message parts, and of answers made from them
- `response`: what a call returns: text, data, media, tokens, cost
- `events`: everything that happens in a run, and how events fold into a response
- `errors`: all errors with message, detail and hint, and their traceback; `redact` removes API keys from them
- `sources`: the protocol of everything that an answer can be drawn from, and its passages
- `answer_checks`: the figures of an answer, checked against its sources
- `citations`: whether the passages that an answer cites exist and say what is quoted
- `backend`: the protocol of everything that answers (model, provider, engine), and token estimates
- `guard`: the protocols of guards and classifiers, and those of the Runtime
- `event_loop`: the one background event loop; threads, interrupts, sync access to async streams
- `runtime`: what a process remembers between calls, in one object that can be replaced
- `registry`: names to modules: public names, methods of higher rooms, engines, scorers
- `optional`: imports of optional packages, with the extra to install
- `version`: the version of fmnb
- `run_ids`: ids of runs
- `records`: a list of dicts that displays as a table and converts to a DataFrame
- `media`: images and videos as bytes: format, size, preview, file name, HTML
- `image_options`: size, count, seed and other options of image requests
- `markdown`: model text made safe for other Markdown renderers
- `markdown_code`: where code spans and fenced blocks are in Markdown
- `inert_text`: escaping of untrusted names and errors for HTML, TeX typesetters and terminals
- `tex`: which TeX from a model may be typeset
- `control_tokens`: control tokens of chat formats in untrusted text, broken up
- `confusables`: letters of other scripts that look like ASCII (generated)
- `surrogates`: lone surrogates in text, which UTF-8 cannot encode
- `field_types`: checks a value read from a file against its dataclass annotations
- `cycles`: where a text or a row of items begins to repeat
- `repetition`: whether an answer is stuck in a loop
- `stop_text`: an answer up to its stop string
- `json_prefix`: whether an unfinished text can still become JSON
- `atomic_write`: writes a text file completely or not at all
- `file_lock`: locks between processes
"""
