"""Hosted pages of the offline Stripe: the portal, the bank's page, invoices with their documents, and the levers.

They are rendered on the server and work without script. `frame` has what they share; each page's module has a list
`PAGES`, put together in `routes`.
"""
