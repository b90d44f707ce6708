"""Batch APIs of services: many requests in one job, at half the price.

- `base`: a job's life: submit, poll, fetch
- `select`: which form of batch job a service has
- `openai`: OpenAI, Azure, Groq
- `anthropic`: Anthropic
- `gemini`: Gemini
- `mistral`: Mistral
"""
