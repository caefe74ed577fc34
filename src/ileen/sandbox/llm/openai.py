"""The OpenAI protocol: chat completions, responses, embeddings. Pure: a request in, the events of its answer out."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Requests are JSON of any form here: a provider reads what it understands of them.

import base64
import struct
from collections.abc import Iterator
from typing import Any

from ileen.sandbox.llm import tools, words
from ileen.sandbox.llm.faults import Faults

Json = dict[str, Any]


class Asked:
    """What a chat or responses request comes to: prompt, answer or tool call, and token counts."""

    def __init__(
        self,
        model: str,
        prompt: str,
        *,
        limit: int | None,
        offered: list[Json],
        choice: tools.Choice,
        schema: Any,
        seen: set[str],
        said: str | None = None,
        heard: str = "",
    ) -> None:
        self.model = model
        self.said = prompt if said is None else said
        self.tool = tools.choose(offered, choice, prompt, said=said)
        whole = words.structured(schema, self.said) if schema else words.answer(self.said) + heard
        self.text, self.short = words.cut("" if self.tool else whole, limit)
        self.reasoning = 64 if model.startswith(("o", "gpt-5")) and limit != 0 else 0
        self.prompt_tokens = words.tokens(prompt) + sum(words.tokens(str(tool)) for tool in offered)
        self.output_tokens = words.tokens(self.text) + (20 if self.tool else 0) + self.reasoning
        if limit is not None and self.output_tokens > limit:
            self.reasoning = max(0, limit - words.tokens(self.text) - (20 if self.tool else 0))
            self.output_tokens = limit
        self.cached = _cached(prompt, seen)


def _functions(body: Json) -> list[Json]:
    """Return the functions among a request's tools; a provider's own tools are never called here."""
    given = [tool for tool in body.get("tools") or [] if isinstance(tool, dict)]
    return [function for tool in given if "name" in (function := tool.get("function") or tool)]


def _cached(prompt: str, seen: set[str]) -> int:
    """Count the tokens of the longest run of whole 1,024-token blocks from the start that was seen before."""
    block = 1024 * 4
    cached = 0
    for end in range(block, len(prompt) + 1, block):
        head = words.mark(prompt[:end])
        if head in seen:
            cached = end // 4
        seen.add(head)
    return cached


def chat_asked(body: Json, seen: set[str]) -> Asked:
    """Read a chat completion request."""
    messages = [each for each in body.get("messages") or [] if isinstance(each, dict)]
    prompt = "\n".join(words.text_of(m.get("content")) for m in messages)
    answered = bool(messages) and messages[-1].get("role") == "tool"
    said = next((words.text_of(m.get("content")) for m in reversed(messages) if m.get("role") == "user"), None)
    wanted = _object(body.get("response_format"))
    return Asked(
        str(body.get("model")),
        prompt,
        limit=body.get("max_completion_tokens", body.get("max_tokens")),
        offered=_functions(body),
        choice=tools.Choice.read(body.get("tool_choice"), answered=answered),
        schema=_object(wanted.get("json_schema")).get("schema") or _any_object(wanted),
        seen=seen,
        said=said,
        heard=words.heard(messages[-1].get("content")) if answered else "",
    )


def chat(body: Json, asked: Asked, id_: str, created: int, faults: Faults) -> Json:
    """Return an unstreamed chat completion."""
    message: Json = {"role": "assistant", "content": asked.text or None, "refusal": None}
    if asked.tool:
        message["tool_calls"] = [_tool_call(asked, asked.tool, id_)]
    choices = [
        {"index": i, "message": message, "logprobs": None, "finish_reason": _finish(asked)}
        for i in range(body.get("n") or 1)
    ]
    answer: Json = {
        "id": id_,
        "object": "chat.completion",
        "created": created,
        "model": asked.model,
        "choices": choices,
    }
    if not faults.no_usage:
        answer["usage"] = chat_usage(asked, len(choices), faults)
    return answer


def chat_chunks(body: Json, asked: Asked, id_: str, created: int, faults: Faults) -> Iterator[Json | str]:
    """Yield a streamed chat completion's chunks, the last of them "[DONE]"."""
    wanted = (body.get("stream_options") or {}).get("include_usage")
    count = body.get("n") or 1
    head: Json = {"id": id_, "object": "chat.completion.chunk", "created": created, "model": asked.model}
    if wanted:
        head["usage"] = None

    def chunk(index: int, delta: Json, finish: str | None = None) -> Json:
        return {**head, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    for index in range(count):
        yield chunk(index, {"role": "assistant", "content": "" if not asked.tool else None})
        if asked.tool:
            call = {"index": 0, **_tool_call(asked, asked.tool, id_)}
            yield chunk(index, {"tool_calls": [call]})
        else:
            for piece in words.pieces(asked.text):
                yield chunk(index, {"content": piece})
        yield chunk(index, {}, _finish(asked))
    if wanted and not faults.no_usage:
        yield {**head, "choices": [], "usage": chat_usage(asked, count, faults)}
    yield "[DONE]"


def chat_usage(asked: Asked, count: int, faults: Faults) -> Json:
    """Return the usage object of a chat completion."""
    if faults.wrong_usage:
        return {"prompt_tokens": -5, "completion_tokens": 2**50, "total_tokens": 1}
    written = asked.output_tokens * count
    return {
        "prompt_tokens": asked.prompt_tokens,
        "completion_tokens": written,
        "total_tokens": asked.prompt_tokens + written,
        "prompt_tokens_details": {"cached_tokens": asked.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": asked.reasoning * count, "audio_tokens": 0},
    }


def responses_asked(body: Json, seen: set[str]) -> Asked:
    """Read a responses request."""
    given = body.get("input")
    if isinstance(given, str):
        prompt = given
    else:
        prompt = "\n".join(words.text_of(item.get("content")) for item in given or [] if isinstance(item, dict))
    prompt = f"{body.get('instructions') or ''}\n{prompt}".strip()
    last = given[-1] if isinstance(given, list) and given else None
    wanted = _object(_object(body.get("text")).get("format"))
    return Asked(
        str(body.get("model")),
        prompt,
        limit=body.get("max_output_tokens"),
        offered=_functions(body),
        choice=tools.Choice.read(
            body.get("tool_choice"), answered=isinstance(last, dict) and last.get("type") == "function_call_output"
        ),
        schema=wanted.get("schema") or _any_object(wanted),
        seen=seen,
    )


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _any_object(wanted: Json) -> Json | None:
    """Return the schema of plain JSON mode: any object."""
    return {"type": "object", "properties": {"answer": {}}} if wanted.get("type") == "json_object" else None


def response(body: Json, asked: Asked, id_: str, created: int, faults: Faults, *, status: str = "completed") -> Json:
    """Return a response object; `in_progress` ones have no output yet."""
    done = status == "completed"
    if done and asked.short:
        status = "incomplete"
    answer: Json = {
        "id": id_,
        "object": "response",
        "created_at": created,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": asked.model,
        "output": [_output(asked, id_)] if done else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "metadata": {},
        "usage": None,
    }
    if done and not faults.no_usage:
        answer["usage"] = _responses_usage(asked, faults)
    return answer


def response_events(body: Json, asked: Asked, id_: str, created: int, faults: Faults) -> Iterator[Json]:
    """Yield a streamed response's events, each numbered."""
    for number, event in enumerate(_response_events(body, asked, id_, created, faults)):
        yield {**event, "sequence_number": number}


def _response_events(body: Json, asked: Asked, id_: str, created: int, faults: Faults) -> Iterator[Json]:
    begun = response(body, asked, id_, created, faults, status="in_progress")
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    item = _output(asked, id_)
    place = {"item_id": item["id"], "output_index": 0}
    if asked.tool:
        yield {"type": "response.output_item.added", "output_index": 0, "item": {**item, "arguments": ""}}
        yield {"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]}
        done = {"arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **place, **done}
    else:
        empty = {**item, "content": [], "status": "in_progress"}
        inside = {**place, "content_index": 0}
        yield {"type": "response.output_item.added", "output_index": 0, "item": empty}
        blank = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield {"type": "response.content_part.added", **inside, "part": blank}
        for piece in words.pieces(asked.text):
            yield {"type": "response.output_text.delta", **inside, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **inside, "text": asked.text, "logprobs": []}
        yield {"type": "response.content_part.done", **inside, "part": item["content"][0]}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    ended = response(body, asked, id_, created, faults)
    yield {"type": f"response.{ended['status']}", "response": ended}


def embeddings(body: Json, faults: Faults) -> Json:
    """Return embeddings: unit vectors, as numbers or base64."""
    given = body.get("input")
    is_one = isinstance(given, str) or (isinstance(given, list) and bool(given) and isinstance(given[0], int))
    texts = [str(given)] if is_one else [str(text) for text in given or []]
    size = body.get("dimensions") or 256
    vectors = [words.vector(text, size) for text in texts]
    in_base64 = body.get("encoding_format") == "base64"
    count = sum(words.tokens(text) for text in texts)
    answer: Json = {
        "object": "list",
        "model": body.get("model"),
        "data": [
            {"object": "embedding", "index": i, "embedding": _base64(v) if in_base64 else v}
            for i, v in enumerate(vectors)
        ],
    }
    if not faults.no_usage:
        count = -1 if faults.wrong_usage else count
        answer["usage"] = {"prompt_tokens": count, "total_tokens": count}
    return answer


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _finish(asked: Asked) -> str:
    return "tool_calls" if asked.tool else "length" if asked.short else "stop"


def _tool_call(asked: Asked, tool: Json, id_: str) -> Json:
    arguments = _arguments(asked, tool)
    return {"id": "call_" + id_[-12:], "type": "function", "function": {"name": tool["name"], "arguments": arguments}}


def _arguments(asked: Asked, tool: Json) -> str:
    import json  # noqa: PLC0415  # its spaced form is what providers send

    return json.dumps(words.filled(tool.get("parameters") or {"type": "object"}, asked.said))


def _output(asked: Asked, id_: str) -> Json:
    if asked.tool:
        return {
            "id": "fc_" + id_[-12:],
            "type": "function_call",
            "status": "completed",
            "call_id": "call_" + id_[-12:],
            "name": asked.tool["name"],
            "arguments": _arguments(asked, asked.tool),
        }
    text = {"type": "output_text", "text": asked.text, "annotations": [], "logprobs": []}
    status = "incomplete" if asked.short else "completed"
    return {"id": "msg_" + id_[-12:], "type": "message", "status": status, "role": "assistant", "content": [text]}


def _responses_usage(asked: Asked, faults: Faults) -> Json:
    if faults.wrong_usage:
        return {"input_tokens": -5, "output_tokens": 2**50, "total_tokens": 1}
    return {
        "input_tokens": asked.prompt_tokens,
        "input_tokens_details": {"cached_tokens": asked.cached},
        "output_tokens": asked.output_tokens,
        "output_tokens_details": {"reasoning_tokens": asked.reasoning},
        "total_tokens": asked.prompt_tokens + asked.output_tokens,
    }
