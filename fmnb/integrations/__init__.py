"""fmnb models inside other frameworks.

- `langchain`: a model as a LangChain chat model
- `retrievers`: an index as a retriever of LangChain or LlamaIndex
- `incoming_call`: messages of another library as one of our calls
- `llamaindex`: a model as a LlamaIndex LLM
"""
