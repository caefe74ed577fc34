"""The API reference names every operation, every surface and every code that the server describes."""

from pathlib import Path

from fastapi import FastAPI

from ileen.base import errors
from ileen.web import activity, buying, models, money, payer, problems, reading, refunding, writes

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")


def test_every_operation_is_in_the_reference() -> None:
    app = FastAPI()
    sold = (payer.router, buying.router, refunding.router)
    for router in (writes.router, reading.router, reading.health_router, *sold, activity.router):
        app.include_router(router)

    operations = [
        f"`{method.upper()} {path}`" for path, methods in app.openapi()["paths"].items() for method in methods
    ]

    assert len(operations) == 35
    assert [operation for operation in operations if operation not in PAGE] == []


def test_every_field_of_a_request_is_in_the_reference() -> None:
    bodies = (models.HoldRequest, models.CaptureRequest, models.VoidRequest, models.ChargeRequest)
    bodies += (money.BillingRequest, money.AddressBody, money.TaxIdRequest, money.PortalRequest)
    bodies += (money.QuoteRequest, money.PurchaseRequest, refunding.RefundQuoteRequest, refunding.RefundRequest)
    fields = {name for body in bodies for name in body.model_fields}

    assert sorted(name for name in fields if f"`{name}`" not in PAGE) == []


def test_every_code_in_the_reference_exists_with_its_status() -> None:
    known = {
        each.code: each.status
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.IleenError)
    }
    rows = [line.split("|") for line in PAGE.splitlines() if line.startswith(("| 4", "| 5"))]

    named = {code: int(row[1]) for row in rows for code in row[2].split("`")[1::2] if code not in {"buy_url", "fields"}}

    assert named == {code: known[code] for code in named}
    assert set(problems.responses(402, 404, 409, 413)) <= set(named.values())
