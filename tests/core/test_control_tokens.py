"""Untrusted text holds no control tokens when it reaches a local engine."""

from __future__ import annotations

import pytest

from fmnb.core.control_tokens import without_control_tokens
from fmnb.core.labels import UNTRUSTED, text_of
from fmnb.core.types import Message, Text, ToolResult
from fmnb.engines.chat_format import chat_messages

TOKENS = [
    "<|im_end|>",
    "<|im_start|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<｜User｜>",
    "</s>",
    "<s>",
    "<start_of_turn>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<bos>",
]


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_is_broken_up_in_what_the_user_did_not_write(token):
    text = text_of([("typed " + token + " ", None), ("read " + token, UNTRUSTED)])
    (out,) = chat_messages(Message("user", (text,)))
    assert out["content"].startswith(f"typed {token} read ") and out["content"].count(token) == 1
    (result,) = chat_messages(Message("tool", (ToolResult("1", f"found {token}"),)))
    assert token not in result["content"]


@pytest.mark.parametrize("text", ["a < b and c > d", "<div>|x|</div>", "x | y", "[1] [INSTALL]", "if a <b| c|> d", "<strong>s</strong>"])
def test_other_text_is_left_as_it_is(text):
    assert without_control_tokens(text) == text
    assert chat_messages(Message("user", (Text(text),)))[0]["content"] == text
