"""Models in torch: our own Llama network for speed, `transformers` for every other architecture.

- `backend`: the backend for models in torch
- `model`: loading a model, prefill of a prompt
- `precision`: dtype, quantization and device: options, defaults, memory needs
- `llama`: our network for the Llama family (fast path)
- `llama_config`: the models that our network supports, and their dimensions
- `linear`: weights in the fastest layout for this machine
- `quantized_linear`: 8-bit and 4-bit linear layers for `transformers` models
- `attention`: attention over a shared prefix and over rows of different lengths
- `kv_cache`: the KV cache of many rows with one shared prefix
- `scheduler`: continuous batching of many rows
- `sequence`: one request in a batch: its tokens, sampling, finish reason
- `batch`: many requests to one loaded model: the path of each, and its events
- `padded_batch`: padded batches through the `generate` of `transformers`
- `label_scoring`: chooses among labels by their probabilities
- `sampling`: the next token from the logits; temperature, top-p, grammar
- `detokenize`: tokens to text, stop strings, context limit
- `transformers_model`: any causal model of `transformers` (plain path)
- `seq2seq_model`: encoder-decoder models (T5, BART)
- `vision_model`: models that read images
"""
