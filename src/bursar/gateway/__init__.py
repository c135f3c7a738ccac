"""All that stands in a call's way: from the client's bytes to the provider's and back, with the money written down.

Owns the ASGI edge, identification, attribution, dispatch, relay, metering and settlement of a call.
Doesn't own prices, dialects, the ledger or any page; it waits on no database.
"""
