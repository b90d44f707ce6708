"""Hosted models, model servers on this machine, the echo backend, and notebook objects as models.

One backend (`hosted`) speaks to every service; what a service does differently is a row of `profiles.toml`.

- `hosted`: a service as a backend
- `profiles`: the known services, read from `profiles.toml` and the user's settings
- `profile`: the fields of one service
- `profile_rows`: checks a service's table field by field
- `send`: builds and sends a request; drops options that the service refuses
- `read_stream`: reads a streamed answer
- `read_complete`: reads a complete answer, for rows of a table
- `answer_cost`: what an answer cost: reported by the service, or estimated
- `prices`: price table of models
- `model_lists`: which models a service lists, and which servers run on this machine
- `reserved_params`: raw parameters that would change host or model
- `embeddings`: vectors of texts from a service
- `echo`: answers with its input, for tutorials and tests
- `wire`: the interfaces: bodies and events
- `http`: connection, keys, errors, rate limit headers
- `images`: pictures and videos from services
- `batch_jobs`: batch APIs of services
- `objects`: functions and LangChain or LlamaIndex objects as models
"""
