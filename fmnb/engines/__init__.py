"""Models on this machine: llama.cpp for GGUF files, torch for everything else.

Each engine is a Backend: a Request goes in, Events come out, nothing leaves the machine. Only this room imports torch,
transformers or llama.cpp, and only when a model is used.

- `host`: free memory, cores and load of this machine
- `loaded`: which models are in memory, whatever engine loaded them; unloading
- `select`: which engine answers the rows of a table
- `labels`: a schema that is a closed set of labels
- `chat_format`: messages in the form chat templates read
- `llamacpp`: GGUF files on llama.cpp
- `torch`: models in torch, one prompt or many rows
- `weights`: readers of model files
- `constrained`: keeps an answer to its schema while it is generated
- `embedding`: vectors of texts
- `diffusers`: pictures
"""
