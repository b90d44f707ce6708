"""GGUF files on llama.cpp, through prebuilt wheels.

- `backend`: a Request to a loaded GGUF model, Events back
- `model`: loading a model: memory, context size, layers on the GPU
- `stream`: chunks of llama.cpp as events, its errors as ours
- `constrained`: answers with a schema, under a grammar
- `label_scoring`: chooses among labels by their probabilities
"""
