"""Named conversations.

- `chat`: `fm.Chat`: history, fork, trim, compact, export
- `branches`: alternative continuations of a conversation
"""
