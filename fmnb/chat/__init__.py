"""Named conversations.

- `chat`: `fm.Chat`: history, fork, trim, compact, export
- `named`: the named conversations of a kernel
- `turns`: which messages belong to one turn
- `files`: conversations as Markdown and JSON files
- `branches`: alternative continuations of a conversation
"""
