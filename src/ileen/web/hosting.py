"""The endpoints for host applications: open an account, open and end a UI session.

Owns: their bodies and answers. Refuses to know: what a host may reach (`accounts.hosts`). A host key is the proof;
API keys, UI tokens and browser sessions are not let in here.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from ileen.accounts.hosts import TTL_S_MAX
from ileen.base.clock import to_text
from ileen.base.errors import NotFound
from ileen.base.ids import AccountId, is_id
from ileen.web.house import HostCaller, InHouse
from ileen.web.models import Label, Moment, Request
from ileen.web.problems import responses

router = APIRouter(prefix="/v1", tags=["hosts"])

Scope = Literal["balance:read", "usage:read", "invoices:read", "purchase", "refill", "cards", "withdraw"]


class AccountRequest(Request):
    """Open the account that belongs to something of yours: a company, a team, a user."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reference": "company-42", "name": "Analytical Engines Ltd"}]}
    )

    reference: Label = Field(description="Your own id for it. The same reference answers with the same account.")
    name: Annotated[str, Field(min_length=1, max_length=120)]
    email: Annotated[str, Field(max_length=254)] | None = None
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"


class AccountView(BaseModel):
    """An account of a host."""

    id: str = Field(examples=["acct_01KB2Z8M6T0000000000000000"])
    reference: str
    name: str
    email: str | None
    time_zone: str
    created_at: Moment


class UiSessionRequest(Request):
    """Let the browser of one of your signed-in users do some things with an account for a short time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "account": "acct_01KB2Z8M6T0000000000000000",
                    "scopes": ["balance:read", "purchase"],
                    "origins": ["https://app.example.com"],
                    "user": "ada",
                }
            ]
        }
    )

    account: Annotated[str, Field(max_length=64)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20)]
    origins: Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=10)]
    ttl_s: Annotated[int, Field(ge=1, le=TTL_S_MAX)] = TTL_S_MAX
    user: Label | None = Field(None, description="Your own id for the user, kept with what the session does.")


class UiSessionView(BaseModel):
    """A UI session. The token is shown this once."""

    id: str = Field(examples=["uis_01KB2Z8M6T0000000000000000"])
    token: str = Field(examples=["ileen_ui_…"])
    account: str
    scopes: list[str]
    origins: list[str]
    expires_at: Moment


@router.post("/accounts", status_code=201, responses={**responses(413), 200: {"description": "It was there already."}})
def open_account(request: AccountRequest, house: InHouse, host: HostCaller, response: Response) -> AccountView:
    """Open an account with its wallet, or return the one that this reference names already, as it is."""
    account, made = house.people.hosts.open_account(
        host, reference=request.reference, name=request.name, email=request.email, time_zone=request.time_zone
    )
    if not made:
        response.status_code = 200
        response.headers["Ileen-Replayed"] = "true"
    return AccountView(
        id=account.id,
        reference=request.reference.strip(),
        name=account.name,
        email=account.email,
        time_zone=account.time_zone,
        created_at=to_text(account.created_at),
    )


@router.post("/ui-sessions", status_code=201, responses=responses(404, 413))
def open_ui_session(request: UiSessionRequest, house: InHouse, host: HostCaller, response: Response) -> UiSessionView:
    """Open a UI session for a user your own login knows. Hand the token to their browser, and to nobody else."""
    if not is_id(request.account, "acct"):
        raise NotFound(f"There is no account '{request.account}'.", what="account", id=request.account)
    session, token = house.people.hosts.open_ui_session(
        host,
        AccountId(request.account),
        scopes=request.scopes,
        origins=request.origins,
        ttl_s=request.ttl_s,
        host_user=request.user,
    )
    response.headers["Cache-Control"] = "no-store"
    return UiSessionView(
        id=session.id,
        token=token,
        account=session.account,
        scopes=sorted(session.scopes),
        origins=sorted(session.origins),
        expires_at=to_text(session.expires_at),
    )


@router.delete("/ui-sessions/{id}", status_code=204, responses=responses(404))
def end_ui_session(
    id: Annotated[str, Path(max_length=64)],  # noqa: A002  # the path's own word
    house: InHouse,
    host: HostCaller,
) -> None:
    """End a UI session before its time, for example when your user signs out."""
    house.people.hosts.end_ui_session(host, id)
