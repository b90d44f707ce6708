"""The steps of the pipeline, each one concern around a call.

A step takes the call and the rest of the pipeline, and yields events.

- `base`: what a step is
- `guard`: policy, redaction, moderation, as the Runtime has them
- `schema`: validates structured output, asks once more
- `tape`: replays and records tapes
- `cache`: answers of deterministic calls
- `repetition`: cuts answers of rows that are stuck in a loop
- `check_target`: what a model cannot do: pictures, interfaces
- `retry`: transient failures, backoff, waiting after a 429 as long as `providers/http/errors` read
- `budget`: reserves and counts money
- `rate_limit`: places at a host, requests and tokens a minute
- `stop`: ends an answer at its stop string
- `send`: calls the backend, streamed or complete
- `embed`: calls an embedding model
"""
