"""The endpoints about the payer: gate, billing details, VAT id, cards, the way to Stripe's portal.

Owns: the paths and who may use them. Refuses to know: rules; each is one call of `payments.Billing`.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from ileen.accounts.model import BALANCE_READ, CARDS, INVOICES_READ
from ileen.base.clock import to_text
from ileen.base.errors import PaymentsDisabled
from ileen.payments.billing import Billing, card_name
from ileen.payments.cards import Card
from ileen.payments.customers import BillingDetails, Customer
from ileen.payments.gate import Gate
from ileen.payments.portal import Flow
from ileen.payments.stripe.payer import Address
from ileen.payments.vat_ids import TaxId
from ileen.web import money, wording
from ileen.web.house import Caller, House, InHouse, needs
from ileen.web.problems import responses

router = APIRouter(prefix="/v1", tags=["billing"])

Looker = Annotated[Caller, Depends(needs(BALANCE_READ))]
Reader = Annotated[Caller, Depends(needs(INVOICES_READ))]
Keeper = Annotated[Caller, Depends(needs(CARDS))]
CardId = Annotated[str, Path(max_length=64, examples=["pm_1Rk2x3"])]
TaxIdId = Annotated[str, Path(max_length=64, examples=["taxid_01KB2Z8M6T0000000000000000"])]


def billing_of(house: House) -> Billing:
    """Return the payer's side of payments. Raises: PaymentsDisabled where no Stripe key is set."""
    if house.billing is None:
        raise PaymentsDisabled
    return house.billing


@router.get("/gate", responses=responses(404, 502))
def read_gate(house: InHouse, caller: Looker) -> money.GateView:
    """Tell what must be done before the app opens: a payment method, then a first purchase."""
    return gate_view(house, billing_of(house).gate(caller.account))


@router.get("/billing", responses=responses(404, 502))
def read_billing(house: InHouse, caller: Reader) -> money.BillingView:
    """Return the billing details with the VAT id and how its check went."""
    billing = billing_of(house)
    return billing_view(billing.customer(caller.account), billing.tax_id(caller.account))


@router.put("/billing", responses=responses(404, 413, 502))
def write_billing(request: money.BillingRequest, house: InHouse, caller: Keeper) -> money.BillingView:
    """Set the billing details. The country decides about VAT, so it comes before the first purchase.

    An address that cannot be placed is kept and answered with `location_invalid`; a country that is not sold to is
    refused and not kept. A VAT id of another country than the new one is removed.
    """
    billing = billing_of(house)
    address = request.address
    details = BillingDetails(
        name=request.name,
        email=request.email,
        language=request.language,
        business=request.business,
        address=Address(
            country=address.country,
            line1=address.line1,
            line2=address.line2,
            city=address.city,
            postal_code=address.postal_code,
            region=address.region,
        ),
    )
    customer = billing.set_billing(caller.account, details, by=caller.actor)
    return billing_view(customer, billing.tax_id(caller.account))


@router.post("/tax-ids", status_code=201, responses=responses(404, 409, 413, 502))
def create_tax_id(request: money.TaxIdRequest, house: InHouse, caller: Keeper) -> money.TaxIdView:
    """Give a VAT id. Its form is checked at once, the member state's register in the background.

    Until it is verified, VAT stays on invoices. The same id again answers with how it stands.
    """
    billing = billing_of(house)
    tax_id = billing.add_tax_id(caller.account, request.value, by=caller.actor)
    return tax_id_view(tax_id, locale_of(billing.customer(caller.account)))


@router.delete("/tax-ids/{id}", status_code=204, responses=responses(404, 502))
def delete_tax_id(id: TaxIdId, house: InHouse, caller: Keeper) -> Response:  # noqa: A002  # the path's own word
    """Remove a VAT id; VAT is on invoices again."""
    billing_of(house).remove_tax_id(caller.account, id, by=caller.actor)
    return Response(status_code=204)


@router.get("/cards", responses=responses(404, 502))
def read_cards(house: InHouse, caller: Reader) -> money.CardList:
    """Return the saved cards, the default first."""
    return money.CardList(data=[card_view(card) for card in billing_of(house).cards(caller.account)])


@router.delete("/cards/{id}", status_code=204, responses=responses(404, 409, 502))
def delete_card(id: CardId, house: InHouse, caller: Keeper) -> Response:  # noqa: A002  # the path's own word
    """Remove a card that is not the default, for good."""
    billing_of(house).remove_card(caller.account, id, by=caller.actor)
    return Response(status_code=204)


@router.post("/portal-sessions", status_code=201, responses=responses(404, 413, 502))
def create_portal_session(request: money.PortalRequest, house: InHouse, caller: Keeper) -> money.PortalView:
    """Open Stripe's portal for one visit: to add a card, choose the default, see all invoices."""
    flow = Flow(request.flow)
    url = billing_of(house).portal(caller.account, return_path=request.return_path, flow=flow, by=caller.actor)
    return money.PortalView(next=money.NextView(kind="redirect", url=url))


def gate_view(house: House, gate: Gate) -> money.GateView:
    """Show the gate."""
    missing = gate.missing
    closed = money.NextView(kind="redirect", url=f"{house.public_url}/gate")
    return money.GateView(
        open=gate.open,
        payment_method=gate.payment_method,
        credits=gate.credits,
        missing=None if missing is None else missing.value,
        next=money.NextView(kind="none") if gate.open else closed,
    )


def billing_view(customer: Customer, tax_id: TaxId | None) -> money.BillingView:
    """Show billing details."""
    locale = locale_of(customer)
    at = customer.address
    return money.BillingView(
        name=customer.name,
        email=customer.email,
        language=customer.language,
        business=customer.business,
        address=money.AddressView(
            country=at.country,
            line1=at.line1,
            line2=at.line2,
            city=at.city,
            postal_code=at.postal_code,
            region=at.region,
        ),
        state=customer.state.value,
        message=wording.customer_state(locale, customer),
        tax_id=None if tax_id is None else tax_id_view(tax_id, locale),
    )


def tax_id_view(of: TaxId, locale: str) -> money.TaxIdView:
    """Show a VAT id."""
    return money.TaxIdView(
        id=of.id,
        value=of.value,
        country=of.country,
        state=of.state.value,
        reverse_charge=of.reverse_charge,
        message=wording.tax_id_state(locale, of),
        checked_at=None if of.checked_at is None else to_text(of.checked_at),
    )


def card_view(of: Card) -> money.CardView:
    """Show a card."""
    return money.CardView(
        id=of.id,
        name=card_name(of),
        brand=of.brand,
        last4=of.last4,
        exp_month=of.exp_month,
        exp_year=of.exp_year,
        is_default=of.is_default,
        is_removable=of.is_removable,
        is_expired=of.is_expired,
        is_renewed=of.is_renewed,
    )


def locale_of(customer: Customer) -> str:
    """Return the language in which a payer is told things."""
    return customer.language or "en"
