"""Sends what the outbox owes: quiet hours held back, channels tried again until they take it, escalation looked at.

One process delivers, the console; a channel that is slow or down holds up no other one for longer than its time-out.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from bursar.alerts.channels import send
from bursar.alerts.message import Attached, Message, compose
from bursar.alerts.quiet import parse_quiet, quiet_until
from bursar.domain.clock import Clock
from bursar.domain.errors import BursarError, DeliveryFailed
from bursar.governance.alert_rows import Owed
from bursar.governance.alerts import AlertSettings, Channel
from bursar.governance.outbox import Outbox

CHANNELS_AT_ONCE = 8
FILES_MAX, FILES_BYTES_MAX = 20, 10_000_000  # of a digest; mail servers refuse more
Send = Callable[[Channel, Message, Mapping[str, str], int], None]
FilesOf = Callable[[str], Sequence[Attached]]

_log = structlog.get_logger(__name__)


class Deliverer:
    """Delivers for one installation.

    env:  where channels' addresses and secrets are; asked at each try.
    send: how a message leaves; `channels.send` but in tests.
    files_of: what goes with an alert, by its address: of a report, its files. It may raise BursarError.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: AlertSettings,
        clock: Clock,
        env: Mapping[str, str],
        *,
        console_url: str,
        organization: str,
        timezone: str,
        send: Send = send,
        files_of: FilesOf = lambda address: (),
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self._clock = clock
        self._env = env
        self._console_url = console_url
        self._organization = organization
        self._timezone = timezone
        self._send = send
        self._files_of = files_of

    def deliver(self, alert_id: str = "") -> int:
        """Send what is due, and owe what escalates; how many messages were accepted. alert_id: only this one's."""
        channels = {channel.name: channel for channel in self._settings.channels() if channel.is_on}
        if not channels:
            return 0
        now_us = self._clock.now_us()
        if not alert_id:
            self._outbox.escalate(escalations(channels.values()), now_us)
        messages = self._outbox.claim(self._held(channels.values(), now_us), list(channels), now_us, alert_id)
        if not messages:
            return 0
        by_channel: dict[str, list[list[Owed]]] = {}
        for message in messages:
            by_channel.setdefault(message[0].delivery.channel, []).append(message)
        with ThreadPoolExecutor(CHANNELS_AT_ONCE, "alerts") as pool:
            sent = pool.map(lambda name: self._deliver_all(channels[name], by_channel[name]), by_channel)
            return sum(sent)

    def _deliver_all(self, channel: Channel, messages: Sequence[Sequence[Owed]]) -> int:
        return sum(self._deliver_one(channel, message) for message in messages)

    def _deliver_one(self, channel: Channel, owed: Sequence[Owed]) -> bool:
        message = compose(owed, self._console_url, self._organization, self._files(channel, owed))
        error = ""
        try:
            self._send(channel, message, self._env, self._clock.now_us() // 1_000_000)
        except DeliveryFailed as failed:
            error = failed.message
            if owed[0].delivery.cause != "test":  # whoever tries a channel out is told to his face
                _log.warning("alert_not_delivered", channel=channel.name, alert=message.message_id, error=error)
        self._outbox.settle(owed, self._clock.now_us(), error)
        return not error

    def _files(self, channel: Channel, owed: Sequence[Owed]) -> Sequence[Attached]:
        """Of each alert, as far as a message holds them: the rest is behind its link. Without them it is still worth
        sending."""
        if channel.kind == "webhook":
            return ()
        files: list[Attached] = []
        for one in owed:
            try:
                mine = self._files_of(one.alert.address)
            except BursarError as error:
                _log.warning("files_not_attached", alert=one.alert.alert_id, error=error.message)
                continue
            room = FILES_BYTES_MAX - sum(len(file.content) for file in files)
            if len(owed) > 1 and (
                len(files) + len(mine) > FILES_MAX or sum(len(file.content) for file in mine) > room
            ):  # fmt: skip
                _log.warning("files_not_attached", alert=one.alert.alert_id, error="the message is full")
                continue
            files.extend(mine)
        return files

    def _held(self, channels: Collection[Channel], now_us: int) -> dict[str, int]:
        held = {}
        for channel in channels:
            try:
                until = quiet_until(parse_quiet(channel.quiet, self._timezone), now_us)
            except BursarError as error:  # a zone that this machine no longer knows: rather told than kept back
                _log.warning("quiet_hours_unreadable", channel=channel.name, error=error.message)
                continue
            if until is not None:
                held[channel.name] = until
        return held


def escalations(channels: Collection[Channel]) -> dict[str, tuple[str, int]]:
    """Of each channel that escalates: to which one, and after how many microseconds."""
    on = {channel.name for channel in channels}
    return {
        channel.name: (channel.escalate_to, channel.escalate_after_min * 60_000_000)
        for channel in channels
        if channel.escalate_to in on
    }
