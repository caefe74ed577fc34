"""What requests and answers about the payer and about buying look like; the OpenAPI document follows from it.

Owns: field names, bounds, examples. Refuses to know: where values come from.
Money is a decimal string of euros with two decimals. Every answer about money has a `next`: what to do now.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ileen.web.models import Moment, Request

Line = Annotated[str, StringConstraints(max_length=254)]
Euros = Annotated[str, Field(description="Euros as a decimal string.", examples=["29.75"])]
Country = Annotated[str, Field(description="ISO 3166-1 alpha-2.", examples=["DE"], max_length=2)]
Language = Literal["en", "de", "fr", "es", "it"]


class NextView(BaseModel):
    """What to do now: nothing, go to `url`, ask again for `id` in a few seconds, or write to support."""

    kind: Literal["none", "redirect", "poll", "contact"]
    url: str | None = None
    id: str | None = None


class GateView(BaseModel):
    """The billing gate. `missing` is the next step, null once it is open; then it stays open."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "open": False,
                    "payment_method": True,
                    "credits": False,
                    "missing": "credits",
                    "next": {"kind": "redirect", "url": "https://credits.example.com/gate", "id": None},
                }
            ]
        }
    )

    open: bool
    payment_method: bool
    credits: bool
    missing: Literal["payment_method", "credits"] | None
    next: NextView


class AddressBody(Request):
    """A postal address. Only the country is required; the more is given, the better tax can be worked out."""

    country: Country
    line1: Line | None = None
    line2: Line | None = None
    city: Line | None = None
    postal_code: Line | None = None
    region: Line | None = Field(None, description="State or province.")


class BillingRequest(Request):
    """Billing details, all of them: what is left out is emptied."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Ada Lovelace GmbH",
                    "email": "billing@example.com",
                    "language": "de",
                    "business": True,
                    "address": {"country": "DE", "line1": "Torstr. 1", "postal_code": "10119", "city": "Berlin"},
                }
            ]
        }
    )

    name: Line
    address: AddressBody
    email: Line | None = None
    language: Language | None = None
    business: bool = False


class TaxIdView(BaseModel):
    """A VAT id. `reverse_charge` tells whether it takes VAT off the next invoice; `message` says how the check went."""

    id: str = Field(examples=["taxid_01KB2Z8M6T0000000000000000"])
    value: str = Field(examples=["FR40303265045"])
    country: Country
    state: Literal["checking", "verified", "not_found", "unavailable"]
    reverse_charge: bool
    message: str
    checked_at: Moment | None


class AddressView(BaseModel):
    """A postal address."""

    country: str | None
    line1: str | None
    line2: str | None
    city: str | None
    postal_code: str | None
    region: str | None


class BillingView(BaseModel):
    """Who is invoiced. `ready` once credits can be bought; `message` says what is in the way, if anything."""

    name: str | None
    email: str | None
    language: str | None
    business: bool
    address: AddressView
    state: Literal["new", "ready", "unplaced", "deleted"]
    message: str | None
    tax_id: TaxIdView | None


class TaxIdRequest(Request):
    """A VAT id, with or without its prefix."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"value": "FR40303265045"}]})

    value: Annotated[str, StringConstraints(min_length=1, max_length=40)]


class CardView(BaseModel):
    """A saved card. The default is not removable: make another the default in the portal first."""

    id: str = Field(examples=["pm_1Rk2x3"])
    name: str = Field(examples=["Visa •••• 4242"])
    brand: str = Field(examples=["visa"])
    last4: str = Field(examples=["4242"])
    exp_month: int
    exp_year: int
    is_default: bool
    is_removable: bool
    is_expired: bool
    is_renewed: bool = Field(description="Its bank has replaced it lately; nothing needs to be done.")


class CardList(BaseModel):
    """Saved cards, the default first."""

    data: list[CardView]


class PortalRequest(Request):
    """A visit to Stripe's portal: its front page, or straight at the form for a new card."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"flow": "add_card", "return_path": "/billing"}]})

    flow: Literal["home", "add_card"] = "home"
    return_path: Annotated[str, StringConstraints(min_length=1, max_length=500)] = Field(
        "/billing", description="A path of this server to come back to, below /gate, /billing or /app."
    )


class PortalView(BaseModel):
    """Where to go, at once: the address is good for minutes, and for whoever has it."""

    next: NextView


class QuoteRequest(Request):
    """How much to buy: euros before tax, which is credits."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "25.00"}]})

    amount: Annotated[str, StringConstraints(max_length=20)] = Field(description="5.00 to 500.00.")


class QuoteView(BaseModel):
    """What a purchase would come to now. `reason` is Stripe's word for the VAT, `message` the same in a sentence."""

    currency: Literal["EUR"] = "EUR"
    credits: str = Field(examples=["25.00"])
    net: Euros
    vat: Euros
    total: Euros
    rate: str | None = Field(description="Percent, exactly; null where no single rate applies.", examples=["25.5"])
    reason: str = Field(examples=["standard_rated", "reverse_charge"])
    message: str | None
    country: str | None
    card: CardView | None = Field(description="The card that is charged unless another is named.")


class PurchaseRequest(Request):
    """Buy credits for exactly the total that was shown. If it changed in between, nothing is charged."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "25.00", "total": "29.75"}]})

    amount: Annotated[str, StringConstraints(max_length=20)]
    total: Annotated[str, StringConstraints(max_length=20)] = Field(description="The quote's `total`.")
    card: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


class DeclineView(BaseModel):
    """Why a card was not charged, by class, in a sentence for the payer."""

    kind: Literal["funds", "card_data", "bank", "try_later", "authentication"]
    message: str


class PurchaseView(BaseModel):
    """A purchase of credits. It has ended in `settled` (the credits are there), `failed` and `void`."""

    id: str = Field(examples=["pur_01KB2Z8M6T0000000000000000"])
    state: Literal[
        "quoted",
        "created",
        "invoiced",
        "finalized",
        "paying",
        "action_required",
        "processing",
        "paid",
        "settled",
        "failed",
        "void",
    ]
    credits: str = Field(examples=["25.00"])
    net: Euros
    vat: Euros
    total: Euros
    rate: str | None
    reason: str
    country: str | None
    number: str | None = Field(description="The invoice's number.")
    decline: DeclineView | None
    next: NextView
    refill: str | None = Field(description="The attempt of the auto-refill rule that began it, if it was not a person.")
    created_at: Moment
    paid_at: Moment | None
    ended_at: Moment | None


class PurchasePage(BaseModel):
    """Purchases, newest first."""

    data: list[PurchaseView]
    next_cursor: str | None


class InvoiceView(BaseModel):
    """An invoice with links read at Stripe just now; they last for some days, so ask again rather than keep them."""

    purchase: str
    number: str
    status: str = Field(examples=["paid"])
    total: Euros
    issued_at: Moment
    pdf_url: str | None
    hosted_url: str | None


class InvoiceList(BaseModel):
    """The invoices of the newest purchases."""

    data: list[InvoiceView]
    next_cursor: str | None
