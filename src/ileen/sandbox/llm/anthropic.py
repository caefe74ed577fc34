"""The Anthropic protocol: messages and token counting. Pure: a request in, the events of its answer out."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Requests are JSON of any form here: a provider reads what it understands of them.

import json
from collections.abc import Iterator
from typing import Any

from ileen.sandbox.llm import tools, words
from ileen.sandbox.llm.faults import Faults

Json = dict[str, Any]


class Asked:
    """What a messages request comes to: prompt, answer or tool call, and token counts."""

    def __init__(self, body: Json, seen: set[str]) -> None:
        self.model = str(body.get("model"))
        blocks = list(_blocks(body))
        prompt = "\n".join(text for text, _ in blocks)
        offered = [tool for tool in body.get("tools") or [] if isinstance(tool, dict) and "name" in tool]
        latest = (body.get("messages") or [{}])[-1].get("content")
        answered = _is_tool_result(latest)
        choice = tools.Choice.read(body.get("tool_choice"), answered=answered)
        self.said = _said(body)
        self.tool = tools.choose(offered, choice, prompt, said=self.said)
        whole = words.answer(self.said) + (words.heard(latest) if answered else "")
        self.text, self.short = words.cut("" if self.tool else whole, body.get("max_tokens"))
        count = words.tokens(prompt) + sum(words.tokens(str(tool)) for tool in offered)
        marked = [i for i, (_, mark) in enumerate(blocks) if mark]
        self.cache_read = self.cache_write = 0
        self.hour = False
        if marked:
            whole_head = "\n".join(text for text, _ in blocks[: marked[-1] + 1])
            head = words.mark(whole_head)
            self.hour = blocks[marked[-1]][1] == "1h"
            if head in seen:
                self.cache_read = words.tokens(whole_head)
            else:
                self.cache_write = words.tokens(whole_head)
            seen.add(head)
        self.input_tokens = max(count - self.cache_read - self.cache_write, 0)
        self.total_input = count
        self.output_tokens = 20 if self.tool else words.tokens(self.text)


def message(asked: Asked, id_: str, faults: Faults) -> Json:
    """Return an unstreamed message."""
    answer = _head(asked, id_)
    answer |= {"content": [_block(asked, id_)], "stop_reason": _stop(asked)}
    if not faults.no_usage:
        answer["usage"] = _usage(asked, faults, output=asked.output_tokens)
    return answer


def events(asked: Asked, id_: str, faults: Faults) -> Iterator[Json]:
    """Yield a streamed message's events."""
    begun = _head(asked, id_) | {"content": [], "stop_reason": None}
    if not faults.no_usage:
        begun["usage"] = _usage(asked, faults, output=1)
    yield {"type": "message_start", "message": begun}
    block = _block(asked, id_)
    if asked.tool:
        yield {"type": "content_block_start", "index": 0, "content_block": {**block, "input": {}}}
        delta: Json = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    else:
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield {"type": "ping"}
        for piece in words.pieces(asked.text):
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    yield {"type": "content_block_stop", "index": 0}
    end: Json = {"type": "message_delta", "delta": {"stop_reason": _stop(asked), "stop_sequence": None}}
    if not faults.no_usage:
        end["usage"] = {"output_tokens": 2**50 if faults.wrong_usage else asked.output_tokens}
    yield end
    yield {"type": "message_stop"}


def _said(body: Json) -> str:
    """Return the latest of what the user said; results of tools are not said by anybody."""
    messages = [each for each in body.get("messages") or [] if isinstance(each, dict) and each.get("role") == "user"]
    contents = [each.get("content") for each in reversed(messages)]
    return words.text_of(next((each for each in contents if not _is_tool_result(each)), None))


def _is_tool_result(content: Any) -> bool:
    return isinstance(content, list) and any(
        isinstance(block, dict) and block.get("type") == "tool_result" for block in content
    )


def _blocks(body: Json) -> Iterator[tuple[str, str | None]]:
    """Yield each block's text and how long it is marked to be cached, if it is."""
    contents = [body.get("system"), *(m.get("content") for m in body.get("messages") or [] if isinstance(m, dict))]
    for content in contents:
        if isinstance(content, list):
            for block in content:
                mark = block.get("cache_control") if isinstance(block, dict) else None
                yield words.text_of([block]), (mark.get("ttl", "5m") if mark else None)
        elif content:
            yield words.text_of(content), None


def _head(asked: Asked, id_: str) -> Json:
    return {"id": id_, "type": "message", "role": "assistant", "model": asked.model, "stop_sequence": None}


def _block(asked: Asked, id_: str) -> Json:
    if asked.tool:
        value = words.filled(asked.tool.get("input_schema"), asked.said)
        return {"type": "tool_use", "id": "toolu_" + id_[-12:], "name": asked.tool["name"], "input": value}
    return {"type": "text", "text": asked.text}


def _stop(asked: Asked) -> str:
    return "tool_use" if asked.tool else "max_tokens" if asked.short else "end_turn"


def _usage(asked: Asked, faults: Faults, *, output: int) -> Json:
    if faults.wrong_usage:
        return {"input_tokens": -5, "output_tokens": output}
    written = asked.cache_write
    return {
        "input_tokens": asked.input_tokens,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": asked.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if asked.hour else written,
            "ephemeral_1h_input_tokens": written if asked.hour else 0,
        },
        "output_tokens": output,
        "service_tier": "standard",
    }
