"""Requests go to checked addresses alone, with the certificate of the name, and have limits."""

import asyncio
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from resolvers.webhook_addresses import AddressPolicy, Target
from server.webhooks.sender import DEFAULT_LIMITS, Answer, Resolve, Sender, SendLimits
from tests.faults.load import free_port
from tests.server.webhooks.receiver import CUT, SILENCE, Receiver, receiving
from tests.server.webhooks.support import LOOPBACK

NAME = "receiver.example"
NO_ADDRESS = "the host leads to no allowed address; the setting SWITCHBOARD_WEBHOOK_NETWORKS allows networks inside"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def resolver(answers: Mapping[str, Sequence[str]]) -> Resolve:
    async def resolve(owner_id: str, host: str, port: int) -> Sequence[str]:
        return answers[host]

    return resolve


async def post(
    receiver: Receiver,
    *,
    policy: AddressPolicy = LOOPBACK,
    addresses: Sequence[str] = ("127.0.0.1",),
    limits: SendLimits = DEFAULT_LIMITS,
    body: bytes = b"{}",
) -> Answer:
    sender = Sender(policy, resolve=resolver({NAME: addresses}), limits=limits)
    async with sender.connect(Target("http", NAME, receiver.port, "/x?y"), "owner") as connected:
        return await connected.post({"webhook-id": "1"}, body)


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fe80::1%lo"]
)
async def test_a_name_that_leads_inside_is_not_connected_to_and_only_the_log_of_the_server_has_its_address(
    receiver: Receiver, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="server.webhooks.sender")

    answer = await post(receiver, policy=AddressPolicy(), addresses=[address])

    shown = "127.0.0.1" if address == "::ffff:127.0.0.1" else address
    assert answer.error == NO_ADDRESS
    assert [record.getMessage() for record in caplog.records if record.name == "server.webhooks.sender"] == [
        f"The host {NAME} of a webhook leads to no allowed address: {shown} is not an address of the internet"
    ]
    assert answer.status is None
    assert receiver.requests == []


async def test_a_name_without_an_address_is_an_error(receiver: Receiver) -> None:
    answer = await post(receiver, addresses=[])

    assert answer.error == NO_ADDRESS


async def test_only_the_allowed_addresses_of_a_name_are_used(receiver: Receiver) -> None:
    answer = await post(receiver, addresses=["10.0.0.1", "169.254.169.254", "127.0.0.1"])

    assert (answer.status, answer.error) == (204, None)
    assert len(receiver.requests) == 1


async def test_a_name_that_resolves_to_another_address_later_is_connected_to_the_checked_one(
    receiver: Receiver,
) -> None:
    """The second resolution, which a client that resolves by itself would use, leads inside."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"], ["10.0.0.1"]])
    resolved: list[str] = []

    async def rebinding(owner_id: str, host: str, port: int) -> Sequence[str]:
        resolved.append(host)
        return next(answers)

    policy = AddressPolicy.of(["127.0.0.1"])
    sender = Sender(policy, resolve=rebinding, limits=SendLimits(resolved_seconds=-1.0))
    async with sender.connect(Target("http", NAME, receiver.port, "/"), "owner") as connected:
        first = await connected.post({}, b"{}")
        second = await connected.post({}, b"{}")
        third = await connected.post({}, b"{}")

    assert (first.status, first.error) == (204, None)
    assert second.error == NO_ADDRESS
    assert third.error == NO_ADDRESS
    assert resolved == [NAME] * 3
    assert len(receiver.requests) == 1


async def test_the_next_address_is_tried_if_one_takes_no_connection(receiver: Receiver) -> None:
    answer = await post(receiver, addresses=["127.0.0.3", "127.0.0.1"])

    assert (answer.status, answer.error) == (204, None)


async def test_the_real_resolver_finds_numbers_in_every_form() -> None:
    for host in ("localhost", "127.1", "2130706433", "0x7f.1"):
        async with Sender(AddressPolicy()).connect(Target("https", host, 443, "/"), "owner") as connected:
            answer = await connected.post({}, b"{}")
        assert answer.error == NO_ADDRESS


async def test_a_name_that_does_not_exist_is_an_error() -> None:
    async with Sender(AddressPolicy()).connect(Target("https", "nothing.invalid", 443, "/"), "owner") as connected:
        answer = await connected.post({}, b"{}")

    assert answer.error == "the host cannot be resolved"


# ---------------------------------------------------------------- requests and responses


async def test_a_request_names_the_host_and_nothing_of_the_environment(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {NAME} login a password b\nmachine 127.0.0.1 login a password b\n")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(netrc))

    answer = await post(receiver, body=b'{"a":1}')

    (request,) = receiver.requests
    assert (answer.status, answer.error) == (204, None)
    assert request.line == "POST /x?y HTTP/1.1"
    assert request.headers == {
        "host": f"{NAME}:{receiver.port}",
        "webhook-id": "1",
        "content-length": "7",
    }
    assert request.body == b'{"a":1}'


async def test_redirects_are_not_followed_and_cookies_are_not_kept(receiver: Receiver) -> None:
    receiver.reply = lambda _: (307, f"location: {receiver.url}\r\nset-cookie: a=b\r\n")
    sender = Sender(LOOPBACK, resolve=resolver({NAME: ["127.0.0.1"]}))
    async with sender.connect(Target("http", NAME, receiver.port, "/"), "owner") as connected:
        answers = [await connected.post({}, b"{}") for _ in range(2)]

    assert [(answer.status, answer.error) for answer in answers] == [(307, "the status is 307")] * 2
    assert len(receiver.requests) == 2
    assert "cookie" not in receiver.requests[1].headers


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120.0), ("x", None), ("-1", None), ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0)]
)
async def test_retry_after_is_a_number_or_a_date(receiver: Receiver, value: str, seconds: float | None) -> None:
    receiver.reply = lambda _: (503, f"retry-after: {value}\r\n")

    assert (await post(receiver)).retry_after == seconds


async def test_a_receiver_that_sends_nothing_is_given_up(receiver: Receiver) -> None:
    receiver.reply = lambda _: SILENCE

    answer = await post(receiver, limits=SendLimits(total_seconds=0.1))

    assert (answer.status, answer.error) == (None, "no response within 0.1 s")
    assert answer.seconds >= 0.1


async def test_an_answer_that_quotes_the_event_is_not_in_the_error(receiver: Receiver) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 Secret Name of the visitor\r\n\r\n" + head)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        receiver.port = server.sockets[0].getsockname()[1]
        answer = await post(receiver)

    assert answer.error == "the connection ended without a response"


async def test_a_closed_port_and_a_cut_connection_are_errors(receiver: Receiver) -> None:
    receiver.reply = lambda _: CUT
    cut = await post(receiver)
    receiver.port = free_port()

    closed = await post(receiver)

    assert cut.error == "the connection ended without a response"
    assert closed.error == "no connection: Connection refused"


async def test_an_endless_response_is_not_read_to_its_end(receiver: Receiver) -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
                sent += 65_536
        except OSError:
            writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server:
        receiver.port = server.sockets[0].getsockname()[1]
        answer = await post(receiver)

    assert (answer.status, answer.error) == (200, None)
    assert sent < 64 * 1024 * 1024


@pytest.mark.parametrize("rest", [b"content-length: 10\r\n\r\n", b"transfer-encoding: chunked\r\n\r\nx"])
async def test_a_response_counts_by_its_status_also_if_its_body_does_not_end(receiver: Receiver, rest: bytes) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\n" + rest)
        await reader.read()  # until the sender closes the connection
        writer.close()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    async with server:
        receiver.port = server.sockets[0].getsockname()[1]
        answer = await post(receiver, limits=SendLimits(response_seconds=0.1))

    assert (answer.status, answer.error) == (200, None)
    assert answer.seconds < 5


async def test_an_event_that_is_too_large_is_not_sent(receiver: Receiver) -> None:
    answer = await post(receiver, limits=SendLimits(body_bytes=10), body=b"x" * 11)

    assert answer.error == "the event takes 11 bytes, more than 10"
    assert receiver.requests == []


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for NAME, which is its own authority, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.mark.parametrize(
    ("host", "trusted", "error"),
    [
        (NAME, True, None),
        (NAME, False, "the certificate is not valid: self-signed certificate"),
        (
            "other.example",
            True,
            "the certificate is not valid: Hostname mismatch, certificate is not valid for 'other.example'.",
        ),
    ],
)
async def test_the_certificate_is_that_of_the_name_and_not_of_the_address(
    certificate: tuple[Path, Path], host: str, trusted: bool, error: str | None
) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(*certificate)
    asked: list[str | None] = []
    own.sni_callback = lambda _, name, __: asked.append(name)
    trust = ssl.create_default_context()
    if trusted:
        trust.load_verify_locations(certificate[0])
    sender = Sender(LOOPBACK, resolve=resolver({host: ["127.0.0.1"]}), tls=trust)
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving(tls=own))
        connected = await stack.enter_async_context(sender.connect(Target("https", host, receiver.port, "/"), "owner"))
        answer = await connected.post({}, b"{}")

    assert answer.error == error
    assert asked == [host]
    assert len(receiver.requests) == (1 if error is None else 0)
    if error is None:
        assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"
