"""Where this worker keeps answers, by its settings."""

import os
from pathlib import Path

from bursar.cache.answers import Answers
from bursar.cache.disk import Disk
from bursar.cache.entry import Box
from bursar.cache.flights import Flights
from bursar.cache.memory import Memory
from bursar.cache.redis_store import RedisStore
from bursar.cache.shared import Shared
from bursar.domain.clock import Clock
from bursar.gateway.settings import WorkerSettings


def open_answers(settings: WorkerSettings, secret: bytes, clock: Clock) -> Answers:
    """Nothing is opened or connected before the first call that a cache rule is about."""
    directory = Path(settings.data) / "cache"
    shared: Shared | None = None
    if settings.cache_redis_url:
        shared = RedisStore(settings.cache_redis_url, os.environ.get(settings.cache_redis_password_env, ""))
    elif settings.cache_disk_bytes_max:
        shared = Disk(directory / "answers.sqlite", settings.cache_disk_bytes_max)
    memory = Memory(settings.cache_memory_bytes_max)
    return Answers(Box(secret), memory, Flights(directory / "flights"), clock, shared)
