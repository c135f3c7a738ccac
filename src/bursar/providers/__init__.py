"""The wire dialects: what a request asks, what an answer used, how an error reads.

Owns every word of a provider's format that Bursar bills or decides by, one module a dialect. Pure: bytes in, values
out; no sockets, no clock, no prices. A bad request raises a BadRequest; a bad answer never raises, it has no usage.
"""
