"""Where Stripe tells us things: raw bytes and a signature in, an empty answer out.

Owns: the path `/hooks/stripe`. Refuses to know: what a webhook says; what is signed is stored before it is answered.
Any answer but 2xx makes Stripe send it again, so a webhook that could not be stored is never lost.
"""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from ileen.base.errors import PaymentsDisabled
from ileen.web.house import InHouse

router = APIRouter(tags=["hooks"])


@router.post("/hooks/stripe", status_code=200, include_in_schema=False)
async def take_stripe_webhook(request: Request, house: InHouse) -> Response:
    """Check and store a webhook of Stripe's. The body is not parsed before its signature is checked."""
    if house.payments is None:
        raise PaymentsDisabled
    raw = await request.body()
    await run_in_threadpool(house.payments.receive, raw, request.headers.get("stripe-signature", ""))
    return Response(status_code=200)
