"""fmnb models inside other frameworks.

- `langchain`: a model as a LangChain chat model
- `incoming_call`: messages of another library as one of our calls
- `llamaindex`: a model as a LlamaIndex LLM
"""
