"""The offline Stripe: a stateful stand-in for the API, the hosted pages and the documents, spoken to over HTTP only."""
