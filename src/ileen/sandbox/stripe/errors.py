"""Refusals in Stripe's form: an HTTP status and an `error` object, as the official SDK turns into its exceptions.

Owns: the envelope, and two facts about each refusal: whether execution had begun (then an idempotency key
remembers it) and whether what was done before it stays (a declined charge does).
"""

from typing import Any

Json = dict[str, Any]
"""A JSON object. What its members are is Stripe's business, so they are read where they are used."""

DOC_URL = "https://stripe.com/docs/error-codes/"


class ApiError(Exception):
    """One refusal. `began`: remembered under the idempotency key. `keep`: the transaction is committed anyway."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        began: bool = False,
        keep: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.began = began
        self.keep = keep
        fields = {"type": type_, "message": message, "code": code, "param": param, **more}
        if code:
            fields["doc_url"] = DOC_URL + code.replace("_", "-")
        self.body: Json = {"error": {name: value for name, value in fields.items() if value is not None}}


def unknown_parameter(name: str) -> ApiError:
    """Name a parameter this endpoint does not take. Raised before execution, so no key remembers it."""
    return ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def missing_parameter(name: str) -> ApiError:
    """Name a required parameter that is absent. Raised before execution."""
    return ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """Refuse a malformed request before execution."""
    return ApiError(400, message, code=code, param=param)


def refused(message: str, *, code: str | None = None, param: str | None = None, keep: bool = False) -> ApiError:
    """Refuse a well-formed request because of the state of things; a key replays it."""
    return ApiError(400, message, code=code, param=param, began=True, keep=keep)


def no_such(kind: str, id_: str, *, param: str = "id", status: int = 404) -> ApiError:
    """Say that an id names nothing: 404 for one in the path, 400 for one among the parameters."""
    return ApiError(status, f"No such {kind}: '{id_}'", code="resource_missing", param=param)
