"""The endpoints of alerts: how the credits stand, and at which balance the account is told.

Owns: the path /v1/alerts. Refuses to know: when an alert is told (`accounts.alerts`).
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ileen.accounts.alerts import Standing
from ileen.accounts.model import REFILL
from ileen.base.money import parse, write
from ileen.web.house import BalanceCaller, Caller, InHouse, needs
from ileen.web.models import Request
from ileen.web.problems import responses

router = APIRouter(prefix="/v1", tags=["alerts"])

Keeper = Annotated[Caller, Depends(needs(REFILL))]


class AlertsView(BaseModel):
    """How the credits stand. `hours_left` is an estimate from the last seven days; null while nothing is spent."""

    state: Literal["ok", "low", "empty"]
    balance: str = Field(examples=["4.10"])
    threshold: str | None = Field(description="The balance at which low credits are told; null for no alerts.")
    hours_left: int | None = Field(examples=[26])


class AlertsRequest(Request):
    """At which balance low credits are told: 1.00 to 5000.00, or null for no alerts at all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"threshold": "5.00"}]})

    threshold: Annotated[str, StringConstraints(max_length=20)] | None


@router.get("/alerts", responses=responses(404))
def read_alerts(house: InHouse, caller: BalanceCaller) -> AlertsView:
    """Return how the credits stand, and when the account is told."""
    return _view(house.alerts.standing(caller.account))


@router.put("/alerts", responses=responses(404, 413))
def write_alerts(request: AlertsRequest, house: InHouse, caller: Keeper) -> AlertsView:
    """Choose the balance at which the account is told that credits run low; each crossing is told once."""
    threshold = None if request.threshold is None else parse(request.threshold, field="threshold")
    return _view(house.alerts.set_threshold(caller.account, threshold, by=caller.actor))


def _view(of: Standing) -> AlertsView:
    return AlertsView(
        state=of.state,
        balance=write(of.balance),
        threshold=None if of.threshold is None else write(of.threshold),
        hours_left=of.hours_left,
    )
