"""Batches on Ray (`--on ray`).

- `job`: a batch on Ray Data
- `address`: whether batches may go to a cluster that a cell named
- `start`: connects to a cluster or starts Ray here
- `worker`: calls on a worker
- `vllm`: open weights on GPUs through vLLM
"""
