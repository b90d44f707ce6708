"""A model that is a notebook object: it says what it was told, one text a call."""

from fmnb.core.backend import estimate_tokens
from fmnb.core.events import Finished, TextDelta
from fmnb.core.types import ModelInfo


class Says:
    """Answers with each text in turn; an exception among them is raised after the text "said"."""

    def __init__(self, *texts):
        self.info = ModelInfo("object:says", "object", "local", local=True)
        self._texts = iter(texts)

    async def stream(self, request):
        text = next(self._texts)
        if isinstance(text, BaseException):
            yield TextDelta(text="said")
            raise text
        yield TextDelta(text=text)
        yield Finished()

    def count(self, request):
        return estimate_tokens(request)

    def deterministic(self, request):
        return False
