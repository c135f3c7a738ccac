"""Bounds of a connection pool, and what it says of itself."""

import msgspec


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one pool. Seconds and bytes."""

    connections_max: int = 512
    waiting_max: int = 2048
    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 300.0  # between two pieces of an answer
    connection_idle_s: float = 15.0  # shorter than the upstream's own, so that no request meets a dying connection
    head_bytes_max: int = 64 * 1024
    buffer_bytes_max: int = 256 * 1024  # unread bytes of an answer; above, the socket isn't read
    tick_s: float = 0.25  # how often deadlines are looked at


class PoolStats(msgspec.Struct, frozen=True):
    """Connections now, and since the start."""

    open: int
    idle: int
    waiting: int
    opened_total: int
    reused_total: int
