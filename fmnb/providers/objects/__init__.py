"""Custom models: objects of the notebook as models.

- `base`: functions as models, and detection of the kind of an object
- `langchain`: LangChain runnables
- `llamaindex`: LlamaIndex engines, indexes and LLMs
"""
