"""Embeddings from a local encoder.

- `backend`: the Embedder of an encoder in a folder
- `onnx_graph`: BERT encoders as ONNX graphs, for onnxruntime
- `torch_encoder`: all other encoders, on `transformers`
"""
