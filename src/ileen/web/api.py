"""The API application: routers, problem documents and the OpenAPI description put together.

Owns: FastAPI and its settings; its own pages, which would load scripts from elsewhere, are off.
Refuses to know: any endpoint's work.
"""

from collections.abc import MutableMapping
from typing import Any, Final

from fastapi import FastAPI

import ileen
from ileen.web import (
    activity,
    alerting,
    buying,
    hooks,
    hosting,
    live,
    payer,
    problems,
    reading,
    refilling,
    refunding,
    webhooks,
    writes,
)
from ileen.web.house import House

_ABOUT: Final = """Prepaid credits for AI agents. One credit costs one euro.

Hold credits before a model call, capture the exact charge after it, void the hold if the call failed. Amounts are
decimal strings of credits. Errors are problem documents (RFC 9457) with a stable `code`. Every POST accepts an
`Idempotency-Key`: the same key with the same content is answered as the first time.
"""


def build_api(house: House, watch: live.Watch) -> FastAPI:
    """Build the application that serves `/v1/*`, `/healthz` and `/openapi.json`."""
    app = FastAPI(
        title="Ileen",
        version=getattr(ileen, "__version__", "0.1.0"),
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.house = house
    app.state.watch = watch
    app.include_router(writes.router)
    app.include_router(reading.router)
    app.include_router(live.router)
    app.include_router(activity.router)
    app.include_router(hosting.router)
    app.include_router(reading.health_router, responses=_only(problems.responses(503), 503))
    app.include_router(payer.router)
    app.include_router(buying.router)
    app.include_router(refilling.router)
    app.include_router(alerting.router)
    app.include_router(refunding.router)
    app.include_router(webhooks.router)
    app.include_router(hooks.router)
    problems.install(app, buy_url=house.buy_url)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Have the OpenAPI document know the problem schema, which no endpoint returns and every one can answer with."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document: MutableMapping[str, Any] = generate()
            document["components"]["schemas"]["Problem"] = problems.SCHEMA
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi


def _only(described: dict[int | str, dict[str, Any]], status: int) -> dict[int | str, dict[str, Any]]:
    return {status: described[status]}
