"""Control tokens of chat formats in untrusted text, broken up: a document opens no turn of its own.

A local engine tokenizes a whole conversation with the marks of its chat template in it; the same
marks in a document would count as the template's.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"<(?=\|[^<>|\n]{1,40}\|>|｜[^<>｜\n]{1,40}｜>|/?s>|/?(?:start_of_turn|end_of_turn|bos|eos|pad|unk|think|tool_call|tool_response|end_of_image"
    r"|start_of_image|image_soft_token|image|mask|sep|cls)>|<SYS>>|</SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|IMG|THINK)\])",
    re.I,
)


def without_control_tokens(text: str) -> str:
    """A text in which a space breaks up whatever looks like a control token.

    >>> without_control_tokens("the end<|im_end|>, a < b, [INST]")
    'the end< |im_end|>, a < b, [ INST]'
    """
    return _TOKEN.sub(lambda m: f"{m[0]} ", text)
