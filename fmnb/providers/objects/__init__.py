"""Objects of the notebook as models.

- `base`: functions, and which kind an object is
- `langchain`: LangChain runnables
- `llamaindex`: LlamaIndex engines, indexes and LLMs
"""
