"""Messages leave to a real mail server and a real webhook; nothing secret is stored, logged or repeated."""

import hashlib
import hmac

import msgspec
import pytest
from tests.alerts.conftest import MINUTE, T0
from tests.world import free_port

from bursar.alerts.facts import LoopCut
from bursar.domain.errors import BadAlert, UnknownAlert
from bursar.governance.alerts import Channel
from bursar.governance.store import ControlStore

WEBHOOK = Channel("hook", "webhook", "env:BURSAR_ALERT_HOOK", "BURSAR_ALERT_SECRET")
MAIL = Channel("mail", "apprise", "env:BURSAR_ALERT_MAIL")


@pytest.fixture
def loop(world):
    world.told.the_loops = [LoopCut("c1", T0, "billing-sync sent one request 40 times: $0.41 of about $20.")]
    return world


def test_a_mail_arrives_with_its_numbers_and_where_to_look(loop, mailbox):
    box, loop.env["BURSAR_ALERT_MAIL"] = mailbox
    loop.desk.put_channel(MAIL, actor="test")
    (alert,) = loop.watch.look()
    assert loop.deliverer().deliver() == 1
    assert [subject for subject in box.subjects if "A loop was cut" in subject]
    (words,) = box.words
    for part in ("$0.41 of about $20", "http://127.0.0.1:8788/loops", alert.alert_id, f"ack {alert.alert_id[-12:]}"):
        assert part in words
    assert loop.deliverer().deliver() == 0
    assert loop.desk.book.waiting() == []


def test_a_mail_server_that_is_down_gets_the_mail_when_it_is_up(loop, mailbox):
    box, address = mailbox
    port = address.split(":")[2].split("?")[0]
    loop.env["BURSAR_ALERT_MAIL"] = address.replace(port, str(free_port()))
    loop.desk.put_channel(MAIL, actor="test")
    loop.watch.look()
    assert loop.deliverer().deliver() == 0
    (waiting,) = loop.desk.book.waiting()
    assert "onnection error" in waiting.error
    loop.env["BURSAR_ALERT_MAIL"] = address
    loop.later(MINUTE)
    assert loop.deliverer().deliver() == 1
    assert len(box.words) == 1


def test_a_webhook_is_signed_and_says_the_alerts_id(loop, hook):
    loop.env |= {"BURSAR_ALERT_HOOK": hook.address, "BURSAR_ALERT_SECRET": "open sesame"}
    loop.desk.put_channel(WEBHOOK, actor="test")
    (alert,) = loop.watch.look()
    assert loop.deliverer().deliver() == 1
    ((headers, body),) = hook.requests
    signed = f"{headers['x-bursar-timestamp']}.".encode() + body
    assert headers["x-bursar-signature"] == hmac.new(b"open sesame", signed, hashlib.sha256).hexdigest()
    assert int(headers["x-bursar-timestamp"]) == T0 // 1_000_000
    assert headers["idempotency-key"] == alert.alert_id
    told = msgspec.json.decode(body)
    assert (told["id"], told["type"], told["organization"]) == (alert.alert_id, "alert", "acme")
    assert told["alerts"][0]["url"] == "http://127.0.0.1:8788/loops"


def test_a_webhook_that_fails_is_asked_again_with_the_same_bytes_and_id(loop, hook):
    loop.env |= {"BURSAR_ALERT_HOOK": hook.address, "BURSAR_ALERT_SECRET": "open sesame"}
    loop.desk.put_channel(WEBHOOK, actor="test")
    loop.watch.look()
    for status in (500, 302, 404, 200):
        hook.status = status
        assert loop.deliverer().deliver() == (status == 200)
        loop.later(10 * MINUTE)
    assert len(hook.requests) == 4  # a redirect isn't followed
    assert len({(headers["idempotency-key"], body) for headers, body in hook.requests}) == 1
    assert len({headers["x-bursar-signature"] for headers, _ in hook.requests}) == 4  # each for its own time
    assert [entry.detail.split(":")[0] for entry in loop.desk.book.log()] == [
        "attempt 4", "answered 404", "answered 302", "answered 500",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "slack://TOKENAAAA1/TOKENBBBB2/tokencccccccccccccccc3/#ops",
        "mailto://bob:hunter2hunter2@127.0.0.1:{port}?from=a@acme.example&to=b@acme.example&mode=insecure",
        "https://127.0.0.1:{port}/hook/very-secret-path",
        "nonsense://very-secret-word",
        "very secret words",
    ],
)
def test_no_secret_of_an_address_is_in_the_store_or_in_an_error(loop, address, tmp_path, capsys):
    loop.env["BURSAR_ALERT_MAIL"] = address.format(port=free_port()).replace("slack://", "json://localhost:1/")
    loop.desk.put_channel(MAIL, actor="test")
    loop.watch.look()
    assert loop.deliverer().deliver() == 0
    shown = "".join(path.read_bytes().decode("latin-1") for path in tmp_path.glob("control.sqlite*"))
    shown += "".join(capsys.readouterr())
    for secret in ("TOKENBBBB2", "tokencccc", "hunter2", "very-secret", "secret words"):
        assert secret not in shown


def test_a_receiver_that_repeats_its_secret_address_is_not_quoted(loop, hook):
    loop.env |= {"BURSAR_ALERT_HOOK": f"{hook.address}/T0SECRET9", "BURSAR_ALERT_SECRET": "open sesame"}
    loop.desk.put_channel(WEBHOOK, actor="test")
    loop.watch.look()
    hook.status, hook.says = 404, b"no hook at /bursar/T0SECRET9"
    loop.deliverer().deliver()
    (entry,) = loop.desk.book.log()
    assert entry.detail == "answered 404: no hook at /[secret]/[secret]"


def test_a_variable_that_is_not_set_is_named(loop):
    loop.desk.put_channel(MAIL, actor="test")
    loop.watch.look()
    loop.deliverer().deliver()
    (waiting,) = loop.desk.book.waiting()
    assert "BURSAR_ALERT_MAIL isn't set" in waiting.error


def test_a_test_message_arrives_at_once_even_in_quiet_hours(world, hook):
    world.env |= {"BURSAR_ALERT_HOOK": hook.address, "BURSAR_ALERT_SECRET": "x" * 8}
    world.desk.put_channel(msgspec.structs.replace(WEBHOOK, quiet="00:00-24:00"), actor="test")
    alert = world.desk.test("hook", actor="ann")
    assert world.desk.outcome(alert.alert_id) is None
    assert world.deliverer().deliver() == 1
    found = world.desk.outcome(alert.alert_id)
    assert found
    assert found.state == "delivered"
    assert msgspec.json.decode(hook.requests[0][1])["type"] == "test"
    assert world.desk.book.alerts(every=True) == []


def test_a_test_that_fails_says_why_and_is_not_tried_again(world, hook):
    world.env |= {"BURSAR_ALERT_HOOK": hook.address, "BURSAR_ALERT_SECRET": "x" * 8}
    world.desk.put_channel(WEBHOOK, actor="test")
    hook.status = 410
    alert = world.desk.test("hook", actor="ann")
    world.deliverer().deliver(alert.alert_id)
    found = world.desk.outcome(alert.alert_id)
    assert found
    assert (found.state, found.error) == ("given_up", "answered 410: ")
    world.later(60 * MINUTE)
    assert world.deliverer().deliver() == 0
    assert len(hook.requests) == 1


@pytest.mark.parametrize(
    ("channel", "field"),
    [
        (Channel("c", "apprise", "slack://A/B/C"), "to"),
        (Channel("c", "webhook", "https://user:secret@example.com/", "S"), "to"),
        (Channel("c", "webhook", "https://example.com/?token=secret", "S"), "to"),
        (Channel("c", "webhook", "ftp://example.com/", "S"), "to"),
        (Channel("c", "webhook", "https://example.com/"), "secret_env"),
        (Channel("c", "pigeon", "env:X"), "kind"),
        (Channel("c d", "apprise", "env:X"), "name"),
        (Channel("", "apprise", "env:X"), "name"),
        (Channel("c", "apprise", "env:not a name"), "to"),
        (Channel("c", "apprise", "env:X", quiet="late"), "quiet"),
        (Channel("c", "apprise", "env:X", escalate_to="c", escalate_after_min=5), "escalate_to"),
    ],
)
def test_a_channel_that_cannot_be_is_refused_with_the_part_that_is_wrong(world, channel, field):
    with pytest.raises(BadAlert) as refused:
        world.desk.put_channel(channel, actor="test")
    assert refused.value.field == field
    assert world.desk.settings.channels() == []


def test_escalation_needs_a_channel_that_is_there_and_a_time(world):
    with pytest.raises(UnknownAlert):
        world.desk.put_channel(msgspec.structs.replace(MAIL, escalate_to="boss", escalate_after_min=5), actor="test")
    world.desk.put_channel(msgspec.structs.replace(MAIL, name="boss"), actor="test")
    with pytest.raises(BadAlert):
        world.desk.put_channel(msgspec.structs.replace(MAIL, escalate_to="boss"), actor="test")


def test_what_is_stored_is_read_again_by_another_process(world, tmp_path):
    channel = Channel("c", "webhook", "https://example.com/hook", "S", "22:00-07:00 mon-fri", "", 0, False)
    world.desk.put_channel(channel, actor="test")
    from bursar.governance.alerts import AlertSettings

    found = AlertSettings(ControlStore(world.path), b"", world.clock).channels()
    assert found == [msgspec.structs.replace(channel, changed_us=T0)]
