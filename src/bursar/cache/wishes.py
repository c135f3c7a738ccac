"""What a caller says of caches, in HTTP's own words, in ours, and in those of other gateways.

A caller can only narrow what the operator's rule allows: not read, not keep, a shorter time, a space of its own. No
header turns a cache on where no rule does.
"""

import re
from collections.abc import Callable, Iterable

import msgspec

Headers = Iterable[tuple[bytes, bytes]]

NAMESPACE_BYTES_MAX = 256
_MAX_AGE = re.compile(rb"(?:^|[\s,])max-age=(\d{1,9})", re.IGNORECASE)
_SECONDS = re.compile(rb"(\d{1,9})\s*(s|m|h|d)?")
_UNIT_S = {b"": 1, b"s": 1, b"m": 60, b"h": 3_600, b"d": 86_400}


class Wishes(msgspec.Struct, frozen=True, gc=False):
    """reads: it takes a kept answer. keeps: its own may be kept. age_s_max: of one that it takes; None: any.

    ttl_s: how long its own is kept at most; None: as the rule says. namespace: equal requests of another one are
    others. prism: it speaks Prism's headers, and is answered in them.
    """

    reads: bool = True
    keeps: bool = True
    age_s_max: int | None = None
    ttl_s: int | None = None
    namespace: bytes = b""
    prism: bool = False


NO_WISHES = Wishes()


def wishes_of(headers: Headers) -> Wishes:
    """Read once for each head. Header names in lower case, as the server gives them."""
    found = NO_WISHES
    for name, value in headers:
        if name.startswith(b"x-prism-"):
            found = msgspec.structs.replace(found, prism=True)
        reader = _READERS.get(name)
        if reader is not None:
            found = reader(found, value.strip())
    return found


def _cache_control(wishes: Wishes, value: bytes) -> Wishes:
    """`no-store`: neither read nor kept. `no-cache`: answered anew, and kept. `max-age=N`: none older than that."""
    words = {word.strip().lower() for word in value.split(b",")}
    if b"no-store" in words:
        return msgspec.structs.replace(wishes, reads=False, keeps=False)
    if b"no-cache" in words:
        return msgspec.structs.replace(wishes, reads=False)
    age = _MAX_AGE.search(value)
    return msgspec.structs.replace(wishes, age_s_max=int(age[1])) if age else wishes


def _own(wishes: Wishes, value: bytes) -> Wishes:
    """`x-bursar-cache: off | refresh`."""
    word = value.lower()
    if word == b"off":
        return msgspec.structs.replace(wishes, reads=False, keeps=False)
    return msgspec.structs.replace(wishes, reads=False) if word == b"refresh" else wishes


def _off_if(word: bytes) -> Callable[[Wishes, bytes], Wishes]:
    def read(wishes: Wishes, value: bytes) -> Wishes:
        is_off = value.lower() == word
        return msgspec.structs.replace(wishes, reads=False, keeps=False) if is_off else wishes

    return read


def _refresh_if_true(wishes: Wishes, value: bytes) -> Wishes:
    return msgspec.structs.replace(wishes, reads=False) if value.lower() == b"true" else wishes


def _not_kept_if_true(wishes: Wishes, value: bytes) -> Wishes:
    return msgspec.structs.replace(wishes, keeps=False) if value.lower() == b"true" else wishes


def _ttl(wishes: Wishes, value: bytes) -> Wishes:
    """`90`, `90s`, `5m`, `1h`; anything else says nothing."""
    found = _SECONDS.fullmatch(value.lower())
    return msgspec.structs.replace(wishes, ttl_s=int(found[1]) * _UNIT_S[found[2] or b""]) if found else wishes


def _namespace(wishes: Wishes, value: bytes) -> Wishes:
    """One too long to be a name is not cut, which would make two the same: nothing is read or kept."""
    if len(value) > NAMESPACE_BYTES_MAX:
        return msgspec.structs.replace(wishes, reads=False, keeps=False)
    return msgspec.structs.replace(wishes, namespace=wishes.namespace + b"\0" + value)


_READERS: dict[bytes, Callable[[Wishes, bytes], Wishes]] = {
    b"cache-control": _cache_control,
    b"x-bursar-cache": _own,
    b"x-bursar-cache-ttl": _ttl,
    b"x-bursar-cache-namespace": _namespace,
    b"helicone-cache-enabled": _off_if(b"false"),
    b"helicone-cache-seed": _namespace,
    b"x-portkey-cache-force-refresh": _refresh_if_true,
    b"x-portkey-cache-namespace": _namespace,
    b"cf-aig-skip-cache": _off_if(b"true"),
    b"cf-aig-cache-ttl": _ttl,
    b"cf-aig-cache-key": _namespace,
    b"x-bf-cache-key": _namespace,
    b"x-bf-cache-ttl": _ttl,
    b"x-bf-cache-no-store": _not_kept_if_true,
}
