"""Vectors of texts from an encoder on this machine.

- `backend`: an encoder in a folder as an Embedder
- `onnx_graph`: a BERT encoder as an ONNX graph, for onnxruntime
- `torch_encoder`: every other encoder, on `transformers`
"""
