"""An offline model provider that speaks the OpenAI and the Anthropic protocol.

Owns: readable answers that depend on the prompt, plausible and repeatable token counts, and fault levers.
Refuses to know: Ileen. Its protocols follow the providers' public API references.
Tokens: one for each four characters, rounded up (`words.tokens`). Cached: for OpenAI, the first 1,024-token blocks of a
prompt seen before; for Anthropic, what stands up to a `cache_control` mark, written first, read afterwards.
"""

from ileen.sandbox.llm.app import build

__all__ = ["build"]
