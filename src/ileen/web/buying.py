"""The endpoints that buy credits: quote, purchase, look, cancel, invoices.

Owns: the paths, the caller's idempotency key, the evidence of where the buyer is. Refuses to know: how buying works.
A card that is declined is no error: the answer is the purchase, with its state, the class of the decline and `next`.
"""

import ipaddress
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from ileen.accounts.model import INVOICES_READ, PURCHASE
from ileen.base.clock import SECOND, Instant, to_text
from ileen.base.errors import NotFound, PaymentsDisabled, RequestInvalid
from ileen.base.ids import PurchaseId, is_id
from ileen.base.money import write
from ileen.payments import Payments
from ileen.payments.amounts import credits_of, read_cents, read_total, write_cents
from ileen.payments.billing import Billing
from ileen.payments.model import Evidence, Purchase, Quote
from ileen.payments.stripe import Invoice
from ileen.payments.territories import COUNTRIES
from ileen.web import money, wording
from ileen.web.house import Caller, House, InHouse, needs
from ileen.web.payer import billing_of, card_view, locale_of
from ileen.web.problems import responses

router = APIRouter(prefix="/v1", tags=["purchases"])

Reader = Annotated[Caller, Depends(needs(INVOICES_READ))]
Buyer = Annotated[Caller, Depends(needs(PURCHASE))]
PurchaseKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Your name for this purchase: however often it is sent, it is charged once.",
        examples=["order-4711"],
    ),
]
AnyPurchase = Annotated[str, Path(max_length=64, examples=["pur_01KB2Z8M6T0000000000000000"])]
Cursor = Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")]

_INVOICES_MAX: Final = 10
"""Each invoice on a page is one question to Stripe, because its links must be fresh."""


def payments_of(house: House) -> Payments:
    """Return the purchases. Raises: PaymentsDisabled where no Stripe key is set."""
    if house.payments is None:
        raise PaymentsDisabled
    return house.payments


@router.post("/quotes", responses=responses(404, 409, 413, 502))
def create_quote(request: money.QuoteRequest, house: InHouse, caller: Buyer) -> money.QuoteView:
    """Say what an amount of credits would come to now: net, VAT, rate, reason, total. Charges nothing."""
    quote = payments_of(house).quote(caller.account, read_cents(request.amount))
    return _quote_view(quote, billing_of(house), caller)


@router.post("/purchases", status_code=201, responses=responses(402, 404, 409, 413, 502))
def create_purchase(
    request: money.PurchaseRequest, house: InHouse, caller: Buyer, http: Request, key: PurchaseKey
) -> money.PurchaseView:
    """Buy credits with a saved card, for exactly the total that was quoted.

    While a purchase of the account is under way, another request answers with that one. Do what `next` says.
    """
    payments = payments_of(house)
    purchase = payments.buy(
        caller.account,
        read_cents(request.amount),
        quoted_total=read_total(request.total),
        key=f"api:{key}",
        by=caller.actor,
        evidence=evidence_of(house, http),
        card=request.card,
    )
    return purchase_view(house, purchase)


@router.get("/purchases", responses=responses(404, 502))
def read_purchases(
    house: InHouse,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
) -> money.PurchasePage:
    """Return the account's purchases, newest first."""
    found = payments_of(house).purchases(caller.account, limit=limit + 1, before=_cursor(cursor))
    page = [purchase_view(house, each) for each in found[:limit]]
    return money.PurchasePage(data=page, next_cursor=page[-1].id if len(found) > limit else None)


@router.get("/purchases/{id}", responses=responses(404, 502))
def read_purchase(id: AnyPurchase, house: InHouse, caller: Reader) -> money.PurchaseView:  # noqa: A002  # the path's own word
    """Return a purchase as it is now; while it waits for the payer's bank, Stripe is asked."""
    return purchase_view(house, payments_of(house).purchase(caller.account, purchase_id(id)))


@router.post("/purchases/{id}/cancel", responses=responses(404, 409, 502))
def cancel_purchase(id: AnyPurchase, house: InHouse, caller: Buyer) -> money.PurchaseView:  # noqa: A002  # the path's own word
    """Call a purchase off while the bank has not decided on it; asking again changes nothing."""
    return purchase_view(house, payments_of(house).cancel(caller.account, purchase_id(id), by=caller.actor))


@router.get("/invoices", responses=responses(404, 502))
def read_invoices(
    house: InHouse,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=_INVOICES_MAX)] = 5,
    cursor: Cursor = None,
) -> money.InvoiceList:
    """Return the invoices of the newest purchases, with links read at Stripe now."""
    payments = payments_of(house)
    found = payments.purchases(caller.account, limit=limit + 1, before=_cursor(cursor))
    numbered = [each for each in found[:limit] if each.number is not None]
    data = [invoice_view(each, payments.invoice(caller.account, each.id)) for each in numbered]
    return money.InvoiceList(data=data, next_cursor=found[limit - 1].id if len(found) > limit else None)


@router.get("/invoices/{id}/pdf", status_code=307, response_class=Response, responses=responses(404, 502))
def read_invoice_pdf(id: AnyPurchase, house: InHouse, caller: Reader) -> Response:  # noqa: A002  # the path's own word
    """Lead to the PDF of a purchase's invoice, at an address read at Stripe now."""
    url = pdf_url(payments_of(house), caller, id)
    return Response(status_code=307, headers={"Location": url, "Cache-Control": "no-store"})


def pdf_url(payments: Payments, caller: Caller, id_: str) -> str:
    """Return a fresh address of an invoice's PDF. Raises: NotFound, StripeUnavailable."""
    invoice = payments.invoice(caller.account, purchase_id(id_))
    if invoice.pdf_url is None:
        raise NotFound(what="invoice of purchase", id=id_)
    return invoice.pdf_url


def purchase_id(text: str) -> PurchaseId:
    """Read `pur_…`. Raises: NotFound for anything else."""
    if not is_id(text, "pur"):
        raise NotFound(what="purchase", id=text[:64])
    return PurchaseId(text)


def evidence_of(house: House, request: Request) -> Evidence:
    """Return what a request itself shows of where the buyer is; address and card country are added by the purchase."""
    client = request.client
    address = client.host if client else None
    forwarded = request.headers.get("x-forwarded-for")
    if house.proxies and forwarded:
        named = [part.strip() for part in forwarded.split(",")]
        address = named[-min(house.proxies, len(named))]
    country = request.headers.get(house.country_header, "").upper() if house.country_header else ""
    return Evidence(ip_address=_address(address), ip_country=country if country in COUNTRIES else None)


def purchase_view(house: House, of: Purchase) -> money.PurchaseView:
    """Show a purchase."""
    decline = None
    if of.decline is not None and of.state.value == "failed":
        locale = "en" if house.billing is None else locale_of(house.billing.customer(of.account))
        decline = money.DeclineView(kind=of.decline.kind.value, message=wording.decline(locale, of.decline.kind))
    return money.PurchaseView(
        id=of.id,
        state=of.state.value,
        credits=write(credits_of(of.net)),
        net=write_cents(of.net),
        vat=write_cents(of.vat),
        total=write_cents(of.total),
        rate=of.rate,
        reason=of.reason,
        country=of.country,
        number=of.number,
        decline=decline,
        next=money.NextView(kind=of.next.kind.value, url=of.next.url, id=of.next.id),
        refill=of.refill,
        created_at=to_text(of.created_at),
        paid_at=None if of.paid_at is None else to_text(of.paid_at),
        ended_at=None if of.ended_at is None else to_text(of.ended_at),
    )


def invoice_view(purchase: Purchase, invoice: Invoice) -> money.InvoiceView:
    """Show an invoice."""
    return money.InvoiceView(
        purchase=purchase.id,
        number=invoice.number or "",
        status=invoice.status,
        total=write_cents(invoice.total),
        issued_at=to_text(Instant(invoice.created_s * SECOND)),
        pdf_url=invoice.pdf_url,
        hosted_url=invoice.hosted_url,
    )


def _quote_view(of: Quote, billing: Billing, caller: Caller) -> money.QuoteView:
    locale = locale_of(billing.customer(caller.account))
    card = billing.chosen_card(caller.account)
    return money.QuoteView(
        credits=write(credits_of(of.net)),
        net=write_cents(of.net),
        vat=write_cents(of.vat),
        total=write_cents(of.total),
        rate=of.rate,
        reason=of.reason,
        message=wording.vat_reason(locale, of, billing.tax_id(caller.account)),
        country=of.country,
        card=None if card is None else card_view(card),
    )


def _cursor(text: str | None) -> PurchaseId | None:
    if text is None:
        return None
    if not is_id(text, "pur"):
        reason = "pass the next_cursor of the page before"
        raise RequestInvalid(f"cursor: {reason}.", fields=[{"field": "cursor", "reason": reason}])
    return PurchaseId(text)


def _address(text: str | None) -> str | None:
    try:
        return None if text is None else str(ipaddress.ip_address(text))
    except ValueError:
        return None
