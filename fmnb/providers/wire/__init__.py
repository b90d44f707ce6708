"""The interfaces of services: how a request is written and how an answer is read. A wrong token count of a service is read here.

- `base`: what an interface is (`Wire`), and what all share
- `select`: which interface a request uses
- `chat_completions`: Chat Completions
- `responses`: the Responses API
- `anthropic_messages`: Anthropic's Messages
- `cohere_chat`: Cohere's chat, version 2
- `sse`: server-sent events: bytes to documents, the state of an answer, its token counts
- `finish`: answers that end without content: filtered, failed, empty
"""
