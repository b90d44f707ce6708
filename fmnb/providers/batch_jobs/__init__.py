"""Batch APIs of services: many requests in one batch job, at half the price.

- `base`: the life cycle of a batch job: submit, poll, fetch
- `select`: selects the batch API of a service
- `openai`: OpenAI, Azure, Groq
- `anthropic`: Anthropic
- `gemini`: Gemini
- `mistral`: Mistral
"""
