"""What a request may ask of a provider that costs beside, or on top of, its tokens: found before it is forwarded.

Owns: which tools providers run for a fee, and which service tiers cost more than the catalogue says. What is not known
to be free of fees counts as one, so that a provider's new tool is not given away. Refuses to know: prices.
Sources: OpenAI's pricing page (built-in tools, priority processing) and Anthropic's (server tools, fast mode, data
residency), read in 2026.
"""

from typing import Final, cast

_OPENAI_FREE: Final = ("function", "custom", "mcp", "local_shell", "apply_patch", "computer", "tool_search")
"""Tools of the responses endpoint that cost tokens only. `computer` covers the names with a suffix too."""
_ANTHROPIC_FREE: Final = ("custom", "web_fetch", "text_editor", "bash", "computer", "memory", "tool_search")
"""Anthropic's tools that cost tokens only; its types end in a date."""
_TIERS_AT_LIST_PRICE: Final = ("auto", "default", "flex", "standard", "standard_only")
"""Service tiers that cost no more than the price in the catalogue."""


def unpriced(body: dict[str, object], *, anthropic: bool) -> str | None:
    """Return the first thing in a request that costs more than its tokens, as a name to show, or None."""
    free = _ANTHROPIC_FREE if anthropic else _OPENAI_FREE
    tools = body.get("tools")
    for tool in cast("list[object]", tools) if isinstance(tools, list) else []:
        kind = cast("dict[str, object]", tool).get("type", "custom") if isinstance(tool, dict) else "custom"
        if not isinstance(kind, str) or not kind.startswith(free):
            return f"the tool '{str(kind)[:64]}'"
    if body.get("web_search_options") is not None:
        return "web search"
    tier = body.get("service_tier")
    if tier is not None and tier not in _TIERS_AT_LIST_PRICE:
        return f"the service tier '{str(tier)[:64]}'"
    if body.get("speed") not in {None, "standard"}:
        return f"the speed '{str(body['speed'])[:64]}'"
    if body.get("inference_geo") not in {None, "global"}:
        return "inference in one region"
    return None
