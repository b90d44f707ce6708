"""The interfaces of services: how requests are written, and how answers and token counts are read.

- `base`: the definition of an interface (`Wire`), and the code that all interfaces share
- `select`: selects the interface for a request
- `chat_completions`: Chat Completions
- `responses`: the Responses API
- `anthropic_messages`: Anthropic's Messages API, and its token counts
- `cohere_chat`: Cohere's chat API, version 2, and its token counts
- `sse`: server-sent events: decoding, the state of an answer, its token counts
- `finish`: errors for answers without content: filtered, failed, empty
"""
