"""Hosted models, local model servers, the echo backend, and custom models.

One backend (`hosted`) supports every service; the differences between services are rows of `profiles.toml`.

- `hosted`: the backend for services
- `profiles`: the known services, read from `profiles.toml` and the user's settings
- `profile`: the fields of one service
- `profile_rows`: validates the fields of a service's table
- `send`: builds and sends a request; drops options that the service rejects
- `read_stream`: reads a streamed answer
- `read_complete`: reads a complete answer, for rows of a table
- `answer_cost`: tokens and cost of an answer, reported by the service or estimated
- `prices`: the price table of models
- `model_lists`: the models that a service lists, with their prices, and the model servers on this machine
- `reserved_params`: raw parameters that would change the host or the model
- `embeddings`: embeddings from a service
- `echo`: answers with its input, for tutorials and tests
- `wire`: the interfaces: request bodies and response events
- `http`: connections, keys, errors, rate limit headers
- `images`: images and videos from services
- `batch_jobs`: batch APIs of services
- `objects`: functions and LangChain or LlamaIndex objects as models
"""
