"""Models that run on this machine: llama.cpp for GGUF files, torch for the rest.

Each engine is a Backend (`fmnb/core/backend.py`): a Request goes in, Events come out, nothing
leaves the machine. Only this room imports torch, transformers or llama.cpp, and only when
a model is used.
"""
