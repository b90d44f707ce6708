"""GGUF files on llama.cpp, through prebuilt wheels.

- `backend`: the backend for GGUF models
- `model`: loading a model: memory, context size, layers on the GPU
- `stream`: converts chunks and errors of llama.cpp to events and errors
- `constrained`: structured output with a grammar
- `label_scoring`: chooses among labels by their probabilities
"""
