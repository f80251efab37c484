"""What comes of a call when the service refuses, fails, is silent or hangs up."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from crossfade.aws.lean.client import BulkClient
from crossfade.aws.lean.failures import NotSent, QueueFull
from crossfade.aws.lean.settings import settings_of
from crossfade.errors import ConfigurationError, ServiceRejected, UnknownOutcome
from tests.aws.lean.scripted import (
    GET,
    PUT,
    Act,
    HangUp,
    Received,
    Silence,
    botocore_client,
    http,
    in_turn,
    lean,
    refusal,
    scripted,
)

THROTTLED = refusal("ProvisionedThroughputExceededException", message="too fast")
BROKEN = refusal("InternalServerError", 500)


@pytest.mark.parametrize(("operation", "request_"), [("PutItem", PUT), ("GetItem", GET)])
def test_what_was_throttled_is_tried_again(operation: str, request_: dict[str, Any]) -> None:
    """A refusal says that nothing was written, so a write may follow it like a read, and the reply tells how often."""

    async def scenario() -> None:
        async with lean(in_turn(THROTTLED, THROTTLED, http())) as (client, server):
            reply = await client.call(operation, request_)
        assert reply["ResponseMetadata"]["RetryAttempts"] == 2
        assert len(server.received) == 3
        assert len({each.headers["amz-sdk-invocation-id"] for each in server.received}) == 1
        attempts = [each.headers["amz-sdk-request"] for each in server.received]
        assert attempts == ["attempt=1", "attempt=2; max=3", "attempt=3; max=3"]

    asyncio.run(scenario())


def test_throttling_ends_with_the_attempts() -> None:
    """The last refusal is the caller's, with the service's own code and text."""

    async def scenario() -> None:
        async with lean(in_turn(THROTTLED)) as (client, server):
            with pytest.raises(ServiceRejected) as raised:
                _ = await client.call("PutItem", PUT)
        assert (raised.value.code, raised.value.text) == ("ProvisionedThroughputExceededException", "too fast")
        assert raised.value.response["ResponseMetadata"]["RetryAttempts"] == 2
        assert len(server.received) == 3

    asyncio.run(scenario())


def test_a_refusal_for_good_is_not_tried_again() -> None:
    """A condition that failed fails again."""

    async def scenario() -> None:
        async with lean(in_turn(refusal("ConditionalCheckFailedException"))) as (client, server):
            with pytest.raises(ServiceRejected, match="ConditionalCheckFailedException"):
                _ = await client.call("PutItem", PUT)
        assert len(server.received) == 1

    asyncio.run(scenario())


WITHOUT_ANSWER: dict[str, Act] = {
    "500": BROKEN,
    "503": refusal("ServiceUnavailable", 503),
    "hang up": HangUp(),
    "checksum": http(x_amz_crc32="1"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "no JSON": http(body=b"<html>please log in</html>"),
    "empty": http(body=b""),
    "too long": http(body=b"{}", content_length="1"),
}


@pytest.mark.parametrize("name", sorted(WITHOUT_ANSWER))
def test_a_write_without_an_answer_is_not_sent_again(name: str) -> None:
    """Whatever happens to the answer, the write may have been carried out: the client says so, and sends it once."""

    async def scenario() -> None:
        async with lean(in_turn(WITHOUT_ANSWER[name], http())) as (client, server):
            with pytest.raises(UnknownOutcome) as raised:
                _ = await client.call("PutItem", PUT)
        assert not isinstance(raised.value, NotSent)
        assert len(server.received) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("name", sorted(WITHOUT_ANSWER))
def test_a_read_without_an_answer_is_made_again(name: str) -> None:
    """A read changes nothing."""

    async def scenario() -> None:
        found = http(body={"Item": {"pk": {"S": "a"}}})
        async with lean(in_turn(WITHOUT_ANSWER[name], found)) as (client, server):
            reply = await client.call("GetItem", GET)
        assert reply["Item"] == {"pk": {"S": "a"}}
        assert len(server.received) == 2

    asyncio.run(scenario())


WRITES: dict[str, dict[str, Any]] = {
    "UpdateItem": GET,
    "DeleteItem": GET,
    "BatchWriteItem": {"RequestItems": {}},
    "TransactWriteItems": {"TransactItems": []},
    "ExecuteStatement": {"Statement": "SELECT * FROM t"},
}


@pytest.mark.parametrize("operation", sorted(WRITES))
def test_every_kind_of_write_is_sent_once(operation: str) -> None:
    """PartiQL statements included: their text is not looked at."""

    async def scenario() -> None:
        async with lean(in_turn(BROKEN, http())) as (client, server):
            with pytest.raises(UnknownOutcome, match="InternalServerError"):
                _ = await client.call(operation, WRITES[operation])
        assert len(server.received) == 1

    asyncio.run(scenario())


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    """Its length says that more had to come."""

    async def scenario() -> None:
        whole = http(body={"Item": {"pk": {"S": "a"}}})

        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            _ = await reader.readuntil(b"\r\n\r\n")
            writer.write(whole[:-5])
            writer.close()

        server = await asyncio.start_server(half, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with BulkClient.like(botocore_client(url), attempts_max=1) as client:
            with pytest.raises(UnknownOutcome, match="ended before the answer"):
                _ = await client.call("GetItem", GET)
        server.close()

    asyncio.run(scenario())


def test_silence_is_a_timeout() -> None:
    """After botocore's read timeout the outcome is unknown, and the connection is not used again."""

    async def scenario() -> None:
        async with lean(in_turn(Silence(), http()), read_timeout=0.1) as (client, server):
            with pytest.raises(UnknownOutcome, match=r"no answer in 0\.1 seconds"):
                _ = await client.call("PutItem", PUT)
            _ = await client.call("GetItem", GET)
        assert [each.connection for each in server.received] == [1, 2]

    asyncio.run(scenario())


def test_nothing_is_sent_where_nothing_listens() -> None:
    """A refused connection is tried again, writes too, and says in the end that nothing was sent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        async def scenario() -> None:
            async with BulkClient.like(botocore_client(url), attempts_max=2) as client:
                with pytest.raises(NotSent, match="no connection"):
                    _ = await client.call("PutItem", PUT)

        asyncio.run(scenario())


def test_a_connection_that_was_closed_meanwhile_costs_nothing() -> None:
    """The service closes idle connections: the next write goes over a new one, once, and is not counted as retried."""

    async def scenario() -> None:
        async with lean(in_turn(http())) as (client, server):
            _ = await client.call("PutItem", PUT)
            server.writers[0].close()
            await server.writers[0].wait_closed()
            await asyncio.sleep(0.06)  # idle for so long that the client looks before it sends
            reply = await client.call("PutItem", PUT)
        assert reply["ResponseMetadata"]["RetryAttempts"] == 0
        assert [each.connection for each in server.received] == [1, 2]

    asyncio.run(scenario())


def test_an_end_that_the_loop_has_not_seen_yet_is_seen_before_sending() -> None:
    """While something else holds the event loop up, a connection may end; a write sent into it would be in doubt."""
    opened = threading.Event()

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _address = listener.accept()
            _ = connection.recv(65536)
            connection.sendall(http())
            _ = opened.wait(0.02)
            connection.close()

    async def scenario(url: str) -> None:
        async with BulkClient.like(botocore_client(url), attempts_max=1) as client:
            _ = await client.call("PutItem", PUT)
            time.sleep(0.2)
            _ = await client.call("PutItem", PUT)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        asyncio.run(scenario(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join(5.0)


def test_connections_are_kept_and_limited() -> None:
    """Fifty calls over four connections, and no connection made twice."""

    async def scenario() -> None:
        async with lean(in_turn(http()), connections_max=4) as (client, server):
            _ = await asyncio.gather(*(client.call("GetItem", GET) for _ in range(50)))
        assert server.connections == server.peak == 4
        assert len(server.received) == 50

    asyncio.run(scenario())


def test_a_full_queue_says_so() -> None:
    """Whoever makes more calls than may wait is told, before anything is sent; the others go on."""

    async def scenario() -> None:
        async with lean(in_turn(http()), connections_max=1, queue_max=2) as (client, server):
            results = await asyncio.gather(*(client.call("PutItem", PUT) for _ in range(5)), return_exceptions=True)
        full = [each for each in results if isinstance(each, QueueFull)]
        assert len(full) == 2
        assert "1 connections are in use and 2 calls wait" in str(full[0])
        assert len(server.received) == 3

    asyncio.run(scenario())


def test_a_cancelled_call_takes_its_connection_along() -> None:
    """Its answer would otherwise be taken for the next call's; who waits gets a new connection."""

    async def scenario() -> None:
        async with lean(in_turn(Silence(), http(body={"Item": {}})), connections_max=1) as (client, server):
            first = asyncio.create_task(client.call("GetItem", GET))
            _ = await server.silenced.wait()
            second = asyncio.create_task(client.call("GetItem", GET))
            await asyncio.sleep(0)
            assert first.cancel()
            assert (await second)["Item"] == {}
            with pytest.raises(asyncio.CancelledError):
                _ = await first
        assert [each.connection for each in server.received] == [1, 2]

    asyncio.run(scenario())


def test_a_cancelled_wait_leaves_the_others_their_turn() -> None:
    """One that no longer waits does not swallow the connection that was meant for it."""

    async def scenario() -> None:
        async with lean(in_turn(http()), connections_max=1) as (client, server):
            calls = [asyncio.create_task(client.call("GetItem", GET)) for _ in range(6)]
            await asyncio.sleep(0.001)
            for call in calls[1::2]:
                _ = call.cancel()
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(each, dict) for each in results[0::2])
            _ = await client.call("GetItem", GET)
        assert server.connections <= 4

    asyncio.run(scenario())


def test_closing_ends_what_is_under_way() -> None:
    """What was sent has an unknown outcome, what waited was not sent, and nothing can be called any more."""

    async def scenario() -> None:
        async with lean(in_turn(Silence()), connections_max=1) as (client, server):
            sent = asyncio.create_task(client.call("PutItem", PUT))
            _ = await server.silenced.wait()
            waiting = asyncio.create_task(client.call("PutItem", PUT))
            await asyncio.sleep(0)
            await client.aclose()
            with pytest.raises(UnknownOutcome, match="closed") as raised:
                _ = await sent
            assert not isinstance(raised.value, NotSent)
            with pytest.raises(NotSent, match="closed"):
                _ = await waiting
            with pytest.raises(NotSent, match="closed"):
                _ = await client.call("GetItem", GET)
            await client.aclose()

    asyncio.run(scenario())


def test_a_client_that_nobody_closed_is_told_of_and_closes_its_connections() -> None:
    """A ResourceWarning, as for a file, and the server sees the connection end."""

    async def scenario() -> None:
        async with scripted(in_turn(http())) as server:
            client = BulkClient.like(botocore_client(server.url))
            _ = await client.call("GetItem", GET)
            held = [client]
            del client
            with pytest.warns(ResourceWarning, match="BulkClient was not closed"):
                held.clear()
            async with asyncio.timeout(5.0):
                while server.open:
                    await asyncio.sleep(0.001)

    asyncio.run(scenario())


def test_one_client_one_event_loop() -> None:
    """A second loop is refused, since connections belong to the first."""

    async def scenario() -> BulkClient:
        async with scripted(in_turn(http())) as server:
            client = BulkClient.like(botocore_client(server.url))
            _ = await client.call("GetItem", GET)
            await client.aclose()
            return client

    client = asyncio.run(scenario())
    with pytest.raises(ConfigurationError, match="one event loop"):
        _ = asyncio.run(client.call("GetItem", GET))


@pytest.mark.parametrize("attempts_max", [3, 1])
def test_a_wrong_clock_is_put_right(attempts_max: int) -> None:
    """The service refuses a signature of another time; its own time is in the answer, and the next one is of that."""
    now = 1_800_000_000.0
    refused = refusal("InvalidSignatureException", message="Signature expired", date="Fri, 15 Jan 2027 09:00:00 GMT")

    async def scenario() -> None:
        async with scripted(in_turn(refused, http())) as server:
            theirs = botocore_client(server.url)
            async with BulkClient(theirs, settings_of(theirs, 1, 1, attempts_max), clock=lambda: now) as client:
                _ = await client.call("PutItem", PUT)
                _ = await client.call("PutItem", PUT)
        dates = [each.headers["x-amz-date"] for each in server.received]
        assert dates == ["20270115T080000Z", "20270115T090000Z", "20270115T090000Z"]

    asyncio.run(scenario())


def test_a_wrong_secret_is_not_taken_for_a_wrong_clock() -> None:
    """The clocks agree, so the same request would be refused again."""
    refused = refusal("InvalidSignatureException", date=time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()))

    async def scenario() -> None:
        async with lean(in_turn(refused)) as (client, server):
            with pytest.raises(ServiceRejected, match="InvalidSignatureException"):
                _ = await client.call("PutItem", PUT)
        assert len(server.received) == 1

    asyncio.run(scenario())


def test_what_a_batch_left_undone_is_in_the_reply() -> None:
    """Whether and when to ask again is the caller's to say."""
    left: dict[str, Any] = {"UnprocessedItems": {"table": [{"PutRequest": {"Item": {"pk": {"B": "YQ=="}}}}]}}

    async def scenario() -> None:
        async with lean(in_turn(http(body=left))) as (client, server):
            reply = await client.call("BatchWriteItem", {"RequestItems": {"table": []}})
        assert reply["UnprocessedItems"] == {"table": [{"PutRequest": {"Item": {"pk": {"B": b"a"}}}}]}
        assert len(server.received) == 1

    asyncio.run(scenario())


def test_a_transaction_has_a_token_and_keeps_it() -> None:
    """Botocore gives each an idempotency token; all attempts of a call have the same, and the request is unchanged."""
    request: dict[str, Any] = {"TransactItems": []}

    async def scenario() -> list[Received]:
        async with lean(in_turn(THROTTLED, http())) as (client, server):
            _ = await client.call("TransactWriteItems", request)
            _ = await client.call("TransactWriteItems", {**request, "ClientRequestToken": "mine"})
        return server.received

    tokens = [each.json["ClientRequestToken"] for each in asyncio.run(scenario())]
    assert tokens[0] == tokens[1] != tokens[2] == "mine"
    assert request == {"TransactItems": []}


def test_what_cannot_be_sent_is_refused() -> None:
    """As botocore's validation would: nothing leaves."""

    async def scenario() -> None:
        async with lean(in_turn(http())) as (client, server):
            with pytest.raises(ServiceRejected, match="ValidationException"):
                _ = await client.call("PutItem", {"TableName": "table", "Item": {"pk": {"S": {1, 2}}}})
            with pytest.raises(ConfigurationError, match="no operation 'PutThing'"):
                _ = await client.call("PutThing", {})
        assert server.received == []

    asyncio.run(scenario())


def test_no_call_without_credentials() -> None:
    """Nothing is sent, and the text says what to do."""

    async def scenario() -> None:
        async with scripted(in_turn(http())) as server:
            theirs = botocore_client(server.url)
            theirs._request_signer._credentials = None
            async with BulkClient.like(theirs) as client:
                with pytest.raises(NotSent, match="no credentials"):
                    _ = await client.call("GetItem", GET)
        assert server.received == []

    asyncio.run(scenario())
