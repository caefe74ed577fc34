"""The endpoints about events for servers of an account's own: where they are sent, and how that went.

Owns: the paths /v1/webhooks. Refuses to know: how events are delivered (`outbound`).
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ileen.accounts import audit
from ileen.accounts.model import WEBHOOKS
from ileen.base.clock import to_text
from ileen.outbound import EVENTS, Delivery, Endpoint
from ileen.web.house import Caller, House, InHouse, needs
from ileen.web.models import Moment, Request
from ileen.web.problems import responses

router = APIRouter(prefix="/v1", tags=["webhooks"])

Owner = Annotated[Caller, Depends(needs(WEBHOOKS))]
_URL_CHARACTERS_MAX = 500


class WebhookView(BaseModel):
    """Where events are sent. `events` names their types; empty means all."""

    id: str = Field(examples=["whe_01KB2Z8M6T0000000000000000"])
    url: str
    events: list[str]
    created_at: Moment


class NewWebhookView(WebhookView):
    """An endpoint just added. The `secret` is shown this once: it proves that what arrives is from here."""

    secret: str


class WebhookList(BaseModel):
    """All endpoints, oldest first."""

    data: list[WebhookView]


class WebhookRequest(Request):
    """An address that takes POST requests, by https."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://example.com/ileen", "events": ["refill.failed"]}]}
    )

    url: Annotated[str, StringConstraints(max_length=_URL_CHARACTERS_MAX)]
    events: list[Annotated[str, StringConstraints(max_length=40)]] = Field(default=[], max_length=len(EVENTS))


class DeliveryView(BaseModel):
    """One event and how far it was told. `status` is the HTTP status of the last answer."""

    event: str = Field(examples=["msg_01KB2Z8M6T0000000000000000"])
    type: str
    state: Literal["owed", "delivered", "failed"]
    attempts: int
    status: int | None
    error: str | None
    next_at: Moment | None
    created_at: Moment


class DeliveryList(BaseModel):
    """Deliveries, newest first."""

    data: list[DeliveryView]


@router.get("/webhooks", responses=responses())
def read_webhooks(house: InHouse, caller: Owner) -> WebhookList:
    """Return where events are sent."""
    return WebhookList(data=[_view(each) for each in house.outbound.endpoints(caller.account)])


@router.post("/webhooks", status_code=201, responses=responses(413))
def create_webhook(request: WebhookRequest, house: InHouse, caller: Owner) -> NewWebhookView:
    """Have events sent to an address from now on; the answer shows the secret, once."""
    made = house.outbound.add(caller.account, request.url, events=request.events)
    _note(house, caller, "webhook.added", made.id, url=made.url)
    return NewWebhookView(**_view(made).model_dump(), secret=made.secret)


@router.delete("/webhooks/{id}", status_code=204, responses=responses(404))
def delete_webhook(id: str, house: InHouse, caller: Owner) -> None:  # noqa: A002  # the path's own word
    """Send nothing more to an address, not even what is still owed."""
    house.outbound.remove(caller.account, id)
    _note(house, caller, "webhook.removed", id)


@router.get("/webhooks/{id}/deliveries", responses=responses(404))
def read_deliveries(
    id: str,  # noqa: A002  # the path's own word
    house: InHouse,
    caller: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DeliveryList:
    """Return what an address was told, newest first, and what it still is to be."""
    found = house.outbound.deliveries(caller.account, id, limit=limit)
    return DeliveryList(data=[_delivery_view(each) for each in found])


def _note(house: House, caller: Caller, action: str, subject: str, **detail: str) -> None:
    with house.database.write() as connection:
        audit.note(
            connection,
            ids=house.ids,
            now=house.clock.now(),
            actor=caller.actor,
            action=action,
            subject=subject,
            account_id=caller.account,
            detail=detail,
        )


def _view(of: Endpoint) -> WebhookView:
    return WebhookView(id=of.id, url=of.url, events=list(of.events), created_at=to_text(of.created_at))


def _delivery_view(of: Delivery) -> DeliveryView:
    return DeliveryView(
        event=of.event_id,
        type=of.type,
        state=of.state,
        attempts=of.attempts,
        status=of.status,
        error=of.error,
        next_at=None if of.next_at is None else to_text(of.next_at),
        created_at=to_text(of.created_at),
    )
