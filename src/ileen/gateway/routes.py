"""Which provider serves a model, and with which headers it is asked and its answer passed on.

Owns: the routing rule, the provider's keys, the header fields that stop here. Refuses to know: credits, bodies.
Rule: a provider that lists the model; else the one with the longest prefix of its name; else the surface's own
(OpenAI or Anthropic). A prefix followed by a slash (`ollama/llama3` for the prefix `ollama`) is only an address: it
is taken off before the model's name is priced and sent.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from ileen.gateway.surfaces import Protocol as Wire

_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}
FAULT_HEADER: Final = b"ileen-sandbox-fault"
"""The offline provider's lever. Passed on only to providers on this very machine."""

_STOP_IN: Final = frozenset(
    b"""host content-length authorization x-api-key accept-encoding cookie connection keep-alive proxy-authorization
    proxy-connection te trailer transfer-encoding upgrade expect forwarded x-forwarded-for x-forwarded-host
    x-forwarded-proto x-real-ip openai-organization openai-project""".split()
)
"""Requests: what belongs to one connection, and what would name the client's keys or accounts to the provider."""
_STOP_OUT: Final = frozenset(
    b"""content-length content-encoding connection keep-alive proxy-authenticate te trailer transfer-encoding upgrade
    set-cookie server date alt-svc openai-organization openai-project anthropic-organization-id""".split()
)
"""Answers: what belongs to one connection, and what would name the operator's account to the client."""


class ProviderSetting(Protocol):
    """What is needed to know of a compatible provider (see `settings`)."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def base_url(self) -> str: ...  # noqa: D102
    @property
    def api_key(self) -> str | None: ...  # noqa: D102
    @property
    def prefixes(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def models(self) -> Sequence[str]: ...  # noqa: D102


class Provider(Struct, frozen=True):
    """Where calls go. `base_url` is what the endpoints' paths are appended to."""

    name: str
    base_url: str
    wire: Wire
    api_key: str | None
    is_local: bool
    is_own: bool

    def request_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
        """Return what is sent upstream: the client's fields but for those that stop here, and our key."""
        passed = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in headers
            if name not in _STOP_IN and (not name.startswith(b"ileen-") or (self.is_local and name == FAULT_HEADER))
        ]
        passed.append(("accept-encoding", "identity"))  # usage is read from the bytes that pass through
        if self.api_key:
            if self.wire is Wire.ANTHROPIC:
                passed.append(("x-api-key", self.api_key))
            else:
                passed.append(("authorization", "Bearer " + self.api_key))
        return passed


class Routes:
    """The routing table of a process."""

    def __init__(
        self,
        *,
        openai: tuple[str, str | None],
        anthropic: tuple[str, str | None],
        others: Sequence[ProviderSetting],
    ) -> None:
        self._openai = _provider("openai", openai[0], openai[1], Wire.OPENAI, is_own=True)
        anthropic_url = anthropic[0].rstrip("/").removesuffix("/v1") + "/v1"
        self._anthropic = _provider("anthropic", anthropic_url, anthropic[1], Wire.ANTHROPIC, is_own=True)
        self._models: dict[str, Provider] = {}
        prefixes: dict[str, Provider] = {}
        for other in others:
            provider = _provider(other.name, other.base_url, other.api_key, Wire.OPENAI, is_own=False)
            self._models |= dict.fromkeys(other.models, provider)
            prefixes |= dict.fromkeys(other.prefixes, provider)
        self._prefixes = sorted(prefixes.items(), key=lambda item: -len(item[0]))

    def find(self, wire: Wire, model: str | None) -> tuple[Provider, str]:
        """Return the provider of a model and the model's name there."""
        if wire is Wire.ANTHROPIC:
            return self._anthropic, model or ""
        if model is None:
            return self._openai, ""
        provider = self._models.get(model)
        if provider is not None:
            return provider, model
        for prefix, provider in self._prefixes:
            if model.startswith(prefix):
                return provider, model.removeprefix(prefix).removeprefix("/") if _is_address(prefix, model) else model
        return self._openai, model


def _is_address(prefix: str, model: str) -> bool:
    return len(model) > len(prefix) + 1 and (prefix.endswith("/") or model[len(prefix)] == "/")


def passed_back(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the provider's header fields that the client gets."""
    return [item for item in headers if item[0] not in _STOP_OUT and not item[0].startswith(b"ileen-")]


def _provider(name: str, url: str, key: str | None, wire: Wire, *, is_own: bool) -> Provider:
    is_local = urlsplit(url).hostname in _LOOPBACK
    return Provider(name, url.rstrip("/"), wire, key, is_local, is_own)
