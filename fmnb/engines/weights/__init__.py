"""Readers of model files.

- `folder`: folders in the hub's layout: config, weights, tokenizer
- `gguf`: the header of a GGUF file, without loading the model
- `gguf_tensors`: tensors of a GGUF file in torch, dequantized or quantized
- `gguf_tokenizer`: the tokenizer of a GGUF file
- `chat_template`: renders chat templates, within limits
- `template_limits`: a sandbox for chat templates that bounds their memory and time
- `safetensors`: tensors of a folder's safetensors files
"""
