"""Live facts: what is true right now, fetched when a question needs it.

- `source`: `fm.source`, which makes a source of a typed function
- `parameters`: the arguments of a source, filled from the prompt
- `values`: what was fetched, until it expires; one fetch at a time
- `times`: times to live, and how old a value is
"""
