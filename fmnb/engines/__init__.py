"""Local models: llama.cpp for GGUF files, torch for everything else.

Each engine is a backend that turns a Request into Events; no data leaves the machine. Only this
package imports torch, transformers or llama.cpp, and only when a model is used.

- `host`: free memory, cores and load of this machine
- `loaded`: the models in memory, for all engines; unloading
- `select`: selects the engine for rows of a table
- `labels`: schemas that are a closed set of labels
- `chat_format`: messages in the format of chat templates
- `llamacpp`: GGUF files on llama.cpp
- `torch`: models in torch, for one prompt or many rows
- `weights`: readers of model files
- `constrained`: constrained decoding with a JSON schema
- `embedding`: embeddings
- `diffusers`: images
"""
