"""The gateway: OpenAI's and Anthropic's protocols, prepaid. Hold, forward, measure, capture.

Owns: the surfaces (paths, error shapes, streams), routing to providers, the estimate before a call and the order of
the steps around it. Refuses to know: how prices are made (`pricing`), how credits move (`ledger`), any framework.

G1  no provider is called before a hold that covers the estimate is durable.
G2  a call that completed is captured, durably, before its last byte is passed on; one that did not is voided.
G3  the client's key never reaches a provider, a provider's key never reaches a client; prompts are not kept.
G4  a client that leaves does not stop the metering: the provider's answer is read to its end.
Its door is `Gateway`, an ASGI callable.
"""

from ileen.gateway.door import Gateway

__all__ = ["Gateway"]
