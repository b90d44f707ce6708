"""Local image generation with diffusers pipelines.

- `backend`: the backend for diffusers pipelines
- `pipeline`: loading and unloading a pipeline, and its memory needs
"""
