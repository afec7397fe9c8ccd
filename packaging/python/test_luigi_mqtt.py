"""The client for Python against a daemon that does as it is told. `python3 -m unittest` in this folder runs them."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import fractions
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Type, Union

import luigi_mqtt
from luigi_mqtt import LuigiMQTT, LuigiMQTTError, Message

LIMIT = 30.0
"""Until something has happened, in seconds, on a machine with a lot to do."""
SHORT = 0.2
"""Until a call gives up that is to fail."""

Request = Dict[str, Any]
Reply = Union[None, bytes, Request, List[Request]]


class Daemon:
    """Answers each request as `answers` says by its operation, or with a word that fits; writes down all of them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.answers: Dict[str, Callable[[Request], Reply]] = {}
        self.requests: List[Tuple[int, Request]] = []
        self.connections: List[socket.socket] = []
        self.ended: List[int] = []
        self._subscriptions = 0
        self.start()

    def start(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()
        self._listener = listener
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def stop(self) -> None:
        """Ends as a daemon does that is killed."""
        os.unlink(self.path)
        for each in [self._listener, *self.connections]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def hang_up(self) -> None:
        """Ends the connections, but takes new ones."""
        for each in self.connections:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def tell(self, *events: Request) -> None:
        """Writes events to the newest connection."""
        self.connections[-1].sendall(lines(*events))

    def asked(self, op: str) -> List[Request]:
        """The requests of that operation so far, without what is in all of them."""
        return [request for _, request in self.requests if request["op"] == op]

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.connections.append(connection)
                number = len(self.connections)
                threading.Thread(target=self._serve, args=[number, connection], daemon=True).start()

    def _serve(self, number: int, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection.makefile("rb") as requests:
            for line in requests:
                request = json.loads(line)
                assert request.pop("protocol") == 1
                self.requests.append((number, request))
                answer = self.answers.get(request["op"], self._fitting)(request)
                if answer is not None:
                    connection.sendall(answer if isinstance(answer, bytes) else lines(*listed(answer)))
        self.ended.append(number)

    def _fitting(self, request: Request) -> Request:
        if request["op"] == "subscribe":
            self._subscriptions += 1
            return {"ok": "subscribed", "subscription": self._subscriptions}
        if "wait" in request:
            return {"ok": "delivered"}
        if request["op"] == "status":
            return {"ok": "status", "status": {}}
        words = {"reading": "accepted", "publish": "accepted", "register": "registered", "unregister": "unregistered"}
        return {"ok": words.get(request["op"], request["op"])}


class Test(unittest.TestCase):
    """A daemon, and clients for it that end with the test."""

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="luigi-mqtt-")
        self.path = os.path.join(self.folder, "socket")
        self.daemon = Daemon(self.path)
        self.addCleanup(self._end)

    def _end(self) -> None:
        if os.path.exists(self.path):
            self.daemon.stop()
        os.rmdir(self.folder)

    def client(self, timeout: float = LIMIT) -> LuigiMQTT:
        client = LuigiMQTT(self.path, timeout)
        self.addCleanup(client.close)
        return client

    def wait_until(self, condition: Callable[[], object], what: str = "condition") -> None:
        end = time.monotonic() + LIMIT
        while not condition():
            if time.monotonic() > end:
                self.fail(f"not within {LIMIT} s: {what}; asked: {self.daemon.requests}")
            time.sleep(0.005)

    @contextlib.contextmanager
    def failing(self, code: str, kind: type[LuigiMQTTError] = LuigiMQTTError) -> Iterator[None]:
        with self.assertRaises(kind) as caught:
            yield
        self.assertEqual(caught.exception.code, code, caught.exception)


class WhatIsAsked(Test):
    def check(self, call: Callable[[LuigiMQTT], object], expected: Request) -> None:
        with self.subTest(expected=expected):
            client = self.client()
            call(client)
            self.assertEqual(self.daemon.requests[-1][1], expected)
            client.close()

    def test_a_reading_has_what_was_given_and_nothing_else(self) -> None:
        self.check(lambda it: it.publish("attic", 21.5), {"op": "reading", "entity": "attic", "value": 21.5})
        self.check(lambda it: it.publish("attic", None), {"op": "reading", "entity": "attic", "value": None})
        self.check(lambda it: it.publish("door", "ON"), {"op": "reading", "entity": "door", "value": "ON"})
        self.check(
            lambda it: it.publish_sensor("attic", 1, attributes={"n": [1]}, available=True, wait=2.5),
            {"op": "reading", "entity": "attic", "value": 1, "attributes": {"n": [1]}, "available": True, "wait": 2.5},
        )
        self.check(lambda it: it.available("attic", False), {"op": "reading", "entity": "attic", "available": False})

    def test_a_binary_sensor_is_told_on_and_off_in_all_usual_ways(self) -> None:
        rows: List[Tuple[Any, Any]] = [(True, True), (False, False), (1, True), (0, False), ("OFF", "OFF"), (None, None)]
        for given, told in rows:
            self.check(
                lambda it: it.publish_binary_sensor("door", given), {"op": "reading", "entity": "door", "value": told}
            )

    def test_values_that_json_lacks_become_what_home_assistant_reads(self) -> None:
        utc = datetime.timezone.utc
        local = datetime.datetime(2026, 7, 1, 12, 30)
        rows: List[Tuple[Any, Any]] = [
            (decimal.Decimal("21.5"), 21.5),
            (datetime.date(2026, 7, 1), "2026-07-01"),
            (datetime.datetime(2026, 7, 1, 12, 30, tzinfo=utc), "2026-07-01T12:30:00+00:00"),
            (local, local.astimezone().isoformat()),
            ("Küche ☃", "Küche ☃"),
            (types.MappingProxyType({"state": "ON"}), {"state": "ON"}),
            (Scalar(True), True),
            (Scalar(2**60 + 1), 2**60 + 1),
            ({"brightness": Scalar(5)}, {"brightness": 5}),
        ]
        for given, told in rows:
            self.check(lambda it: it.publish("x", given), {"op": "reading", "entity": "x", "value": told})
            self.assertIs(type(self.daemon.requests[-1][1]["value"]), type(told))

    def test_a_raw_payload_is_text_or_json_or_any_bytes(self) -> None:
        same = {"op": "publish", "topic": "a/b", "retain": False, "delivery": "every"}
        self.check(lambda it: it.publish_raw("a/b", "text"), {**same, "payload": "text"})
        self.check(lambda it: it.publish_raw("a/b", {"n": None}), {**same, "payload": {"n": None}})
        self.check(lambda it: it.publish_raw("a/b", b"\xff\x00"), {**same, "payload_base64": "/wA="})
        self.check(
            lambda it: it.publish_raw("a/b", "", 2, True, delivery="latest", wait=1),
            {**same, "payload": "", "qos": 2, "retain": True, "delivery": "latest", "wait": 1},
        )

    def test_an_entity_is_described_by_home_assistants_names_without_what_was_not_given(self) -> None:
        entity: Request = {"platform": "sensor", "id": "attic", "name": "Attic"}
        self.check(
            lambda it: it.register_sensor("attic", "Attic", permanent=True),
            {"op": "register", "entity": entity, "permanent": True},
        )
        entity = {**entity, "device_class": "temperature", "unit": "°C", "state_class": "measurement"}
        self.check(
            lambda it: it.register_sensor("attic", "Attic", "temperature", "°C", "measurement"),
            {"op": "register", "entity": entity, "permanent": False},
        )
        entity = {"platform": "binary_sensor", "id": "door", "name": "Door", "device_class": "door", "off_delay": 5}
        self.check(
            lambda it: it.register_binary_sensor(sensor_id="door", name="Door", device_class="door", off_delay=5),
            {"op": "register", "entity": entity, "permanent": False},
        )
        entity = {"platform": "number", "id": "dim", "name": "Dim", "max": 10}
        self.check(
            lambda it: it.register("number", "dim", "Dim", max=10, icon=None),
            {"op": "register", "entity": entity, "permanent": False},
        )

    def test_the_rest_is_asked_by_its_name(self) -> None:
        lamp = {"id": "lamp", "state": {"state": "on"}}
        self.daemon.answers["get"] = lambda _: {"ok": "device", "device": lamp}
        self.check(lambda it: self.assertEqual(it.get("lamp"), lamp), {"op": "get", "entity": "lamp"})
        self.daemon.answers["status"] = lambda _: {"ok": "status", "status": {"pid": 1}}
        self.check(lambda it: self.assertEqual(it.status(), {"pid": 1}), {"op": "status"})
        self.check(lambda it: it.set("x", True), {"op": "set", "entity": "x", "value": True})
        self.check(lambda it: it.unregister("x"), {"op": "unregister", "entity": "x"})

    def test_devices_are_asked_for_page_by_page(self) -> None:
        pages: Dict[Optional[str], Request] = {
            None: {"ok": "devices", "devices": [{"id": "a"}, {"id": "b"}], "more": True},
            "b": {"ok": "devices", "devices": [{"id": "c"}], "more": False},
        }
        self.daemon.answers["devices"] = lambda it: pages[it.get("after")]
        self.assertEqual([it["id"] for it in self.client().devices()], ["a", "b", "c"])

    def test_what_json_cannot_hold_is_refused_before_anything_is_sent(self) -> None:
        client = self.client()
        huge = fractions.Fraction(10**400)
        for value in [float("nan"), float("inf"), "\udc80", object(), {"bytes": b""}, huge, Scalar(1j)]:
            with self.subTest(value=value), self.failing("invalid", luigi_mqtt.Invalid):
                client.publish_raw("a", {"it": value})
        for wait in [float("nan"), float("inf")]:
            with self.subTest(wait=wait), self.failing("invalid", luigi_mqtt.Invalid):
                client.publish("a", 1, wait=wait)
        with self.failing("line_too_long", luigi_mqtt.Invalid):
            client.publish_raw("a", "x" * (256 << 10))
        self.assertEqual(self.daemon.requests, [])


class WhatIsAnswered(Test):
    def test_the_word_of_the_answer_is_returned(self) -> None:
        client = self.client()
        for word in ["accepted", "queued", "delivered", "something-newer"]:
            self.daemon.answers["reading"] = lambda _, word=word: {"ok": word, "in": "card"}  # type: ignore[misc]
            self.assertEqual(client.publish("x", 1), word)

    def test_an_error_is_of_the_class_of_its_code_and_says_what_the_daemon_says(self) -> None:
        client = self.client()
        rows: List[Tuple[str, Type[Exception]]] = [
            ("unknown_entity", luigi_mqtt.UnknownEntity),
            ("unknown_entity", LookupError),
            ("invalid", luigi_mqtt.Invalid),
            ("field", ValueError),
            ("forbidden", luigi_mqtt.Forbidden),
            ("timeout", luigi_mqtt.Timeout),
            ("taken", LuigiMQTTError),
            ("something_newer", LuigiMQTTError),
        ]
        for code, kind in rows:
            self.daemon.answers["reading"] = lambda _: {"error": code, "reason": "no", "expected": "yes"}
            with self.subTest(code=code), self.assertRaises(kind) as caught:
                client.publish("x", 1)
            error = caught.exception
            assert isinstance(error, LuigiMQTTError)
            self.assertEqual((error.code, error.reason, error.expected), (code, "no", "yes"))
            self.assertEqual(str(error), "no: expected yes")
        self.assertEqual(len(self.daemon.connections), 1, "an error is no reason to connect again")

    def test_an_answer_may_come_byte_by_byte_and_behind_events(self) -> None:
        def answer(_: Request) -> None:
            for byte in b'{"device":{}}\n{"command":{"entity":"y"}}\n{"ok":"accepted"}\n':
                self.daemon.connections[0].sendall(bytes([byte]))

        self.daemon.answers["reading"] = answer
        self.assertEqual(self.client().publish("x", 1), "accepted")

    def test_whoever_speaks_another_language_is_not_believed(self) -> None:
        for answer in [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"[1]\n", b"\xff\n", b'{"message":{}}\n', b"x" * (1 << 20)]:
            self.daemon.answers["set"] = lambda _: answer
            with self.subTest(answer=answer[:20]), self.assertRaises(luigi_mqtt.Unreachable) as caught:
                self.client().set("x", 1)
            why = "a line of more than" if answer[:1] == b"x" else "not speak our language"
            self.assertIn(why, str(caught.exception))

    def test_an_answer_that_comes_too_late_is_not_that_of_the_next_call(self) -> None:
        client = self.client(SHORT)
        self.daemon.answers["reading"] = lambda _: None
        with self.failing("unreachable", luigi_mqtt.Unreachable):
            client.publish("x", 1)
        client.timeout = LIMIT
        with contextlib.suppress(OSError):
            self.daemon.tell({"ok": "late"})
        del self.daemon.answers["reading"]
        self.assertEqual(client.publish("x", 2), "accepted")

    def test_a_daemon_that_has_much_to_tell_does_not_block_a_long_request(self) -> None:
        client = self.client()
        busy, done = threading.Event(), threading.Event()

        def callback(_: Message) -> None:
            busy.set()
            done.wait(LIMIT)

        client.subscribe("a", callback)
        self.daemon.tell(message(1, "a", "first"))
        self.assertTrue(busy.wait(LIMIT))
        # Nobody but the call itself can read these now, and the daemon reads nothing before it is rid of them.
        self.daemon.answers["status"] = lambda _: [{"ok": "status", "status": {}}, *[message(1, "a", "x" * 1000)] * 900]
        client.status()
        self.daemon.answers["publish"] = lambda it: {"ok": str(len(it["payload"]))}
        self.assertEqual(client.publish_raw("a", "y" * 250_000), "250000")
        done.set()


class WhenTheDaemonIsAway(Test):
    def test_a_daemon_that_comes_late_is_waited_for(self) -> None:
        self.daemon.stop()
        client = self.client()
        caller = Call(lambda: client.publish("x", 1))
        self.daemon.start()
        self.assertEqual(caller.returned(), "accepted")

    def test_without_a_daemon_a_call_gives_up_and_says_what_to_do(self) -> None:
        self.daemon.stop()
        with self.assertRaises(luigi_mqtt.Unreachable) as caught:
            self.client(SHORT).publish("x", 1)
        self.assertIn(self.path, str(caught.exception))
        self.assertIn("systemctl status luigi-mqtt", str(caught.exception))

    def test_a_daemon_that_does_not_answer_is_given_up(self) -> None:
        self.daemon.answers["reading"] = lambda _: None
        with self.failing("unreachable", luigi_mqtt.Unreachable):
            self.client(SHORT).publish("x", 1)

    def test_wait_comes_on_top_of_the_timeout(self) -> None:
        answered = threading.Event()

        def answer(_: Request) -> Reply:
            answered.wait(SHORT * 2)
            return {"ok": "delivered"}

        self.daemon.answers["reading"] = answer
        client = self.client()
        client.status()
        client.timeout = SHORT
        self.assertEqual(client.publish("x", 1, wait=LIMIT), "delivered")

    def test_whoever_waits_for_ever_is_answered_too(self) -> None:
        self.assertEqual(self.client(float("inf")).publish("x", 1), "accepted")

    def test_a_wait_that_cannot_be_is_for_the_daemon_to_refuse(self) -> None:
        refusal = {"error": "field", "reason": "the field wait is 1e9"}
        self.daemon.answers["reading"] = lambda _: refusal
        for wait in [1e9, "5", -1, True]:
            with self.subTest(wait=wait), self.failing("field", luigi_mqtt.Invalid):
                self.client().publish("x", 1, wait=wait)  # type: ignore[arg-type]

    def test_a_socket_that_may_not_be_opened_is_no_reason_to_wait(self) -> None:
        os.chmod(self.path, 0o600)
        os.chmod(self.folder, 0o755)

        def as_nobody() -> None:
            if os.geteuid() == 0:
                os.setuid(65534)
            else:
                os.chmod(self.path, 0)
            with self.failing("forbidden", luigi_mqtt.Forbidden):
                LuigiMQTT(self.path, timeout=1000 * LIMIT).publish("x", 1)

        self.assertEqual(in_child(as_nobody), 0)

    def test_the_next_call_connects_again_and_registers_what_was_registered(self) -> None:
        client = self.client()
        client.register_sensor("keep", "Keep", permanent=True)
        client.register_sensor("gone", "Gone", permanent=True)
        client.unregister("gone")
        self.daemon.stop()
        self.daemon.start()
        self.daemon.requests.clear()
        self.assertEqual(client.publish("keep", 1), "accepted")
        self.assertEqual([(it["op"]) for _, it in self.daemon.requests], ["register", "reading"])
        self.assertEqual(self.daemon.asked("register")[0]["entity"]["id"], "keep")

    def test_an_entity_that_lives_with_the_program_is_registered_again_without_any_call(self) -> None:
        client = self.client()
        client.register_sensor("x", "X")
        for count in [2, 3]:
            self.daemon.stop()
            self.daemon.start()
            self.wait_until(lambda: len(self.daemon.asked("register")) == count, "registered again")

    def test_a_daemon_that_hangs_while_it_is_told_again_what_was_registered_is_given_up(self) -> None:
        client = self.client()
        client.register_sensor("x", "X", permanent=True)
        self.daemon.hang_up()
        self.daemon.answers["register"] = lambda _: None
        client.timeout = SHORT
        with self.failing("unreachable", luigi_mqtt.Unreachable):
            client.publish("x", 1)
        self.assertEqual(self.daemon.asked("reading"), [])

    def test_what_can_no_longer_be_registered_does_not_keep_the_rest_from_it(self) -> None:
        client = self.client()
        client.register_sensor("first", "First", permanent=True)
        client.register_sensor("second", "Second", permanent=True)
        self.daemon.hang_up()
        self.daemon.answers["register"] = lambda it: (
            {"error": "taken", "reason": "no"} if it["entity"]["id"] == "first" else {"ok": "registered"}
        )
        with self.assertLogs("luigi_mqtt", "ERROR") as logged:
            self.assertEqual(client.publish("second", 1), "accepted")
        self.assertIn("first", logged.output[0])
        self.assertEqual(len(self.daemon.asked("register")), 4)

    def test_a_value_is_told_again_when_the_connection_is_lost_before_the_answer(self) -> None:
        self.lose_once("reading")
        self.assertEqual(self.client().publish("x", 1), "accepted")
        self.assertEqual(len(self.daemon.asked("reading")), 2)

    def test_a_button_is_not_pressed_twice(self) -> None:
        self.lose_once("set")
        # Not even when there is time left to do so.
        with self.failing("unreachable", luigi_mqtt.Unreachable):
            self.client().set("button", True)
        self.assertEqual(len(self.daemon.asked("set")), 1)

    def test_a_button_is_pressed_though_the_daemon_was_restarted_since_the_last_call(self) -> None:
        client = self.client()
        client.publish("x", 1)
        self.daemon.hang_up()
        self.wait_until(lambda: self.daemon.ended == [1])
        client.set("button", True)
        self.assertEqual(len(self.daemon.asked("set")), 1)

    def test_a_daemon_that_ends_is_asked_again_when_it_is_back(self) -> None:
        answers = iter([{"error": "ended", "reason": "the daemon ends"}])
        self.daemon.answers["set"] = lambda _: next(answers, {"ok": "set"})
        self.client().set("x", 1)
        self.assertEqual(len(self.daemon.asked("set")), 2)

    def test_a_daemon_that_is_too_busy_is_asked_again(self) -> None:
        client = self.client()
        rows: List[Tuple[str, Callable[[], object]]] = [
            ("set", lambda: client.set("x", 1)),
            ("register", lambda: client.register_sensor("x", "X")),
        ]
        for op, call in rows:
            answers = iter([{"error": "full", "reason": "no"}] * 2)
            self.daemon.answers[op] = lambda _: next(answers, {"ok": "done"})
            call()
            self.assertEqual(len(self.daemon.asked(op)), 3)
        self.assertEqual(len(self.daemon.connections), 1)

    def test_a_daemon_that_stays_too_busy_is_given_up_and_says_so(self) -> None:
        self.daemon.answers["reading"] = lambda _: {"error": "full", "reason": "no"}
        with self.failing("full"):
            self.client(SHORT).publish("x", 1)

    def test_a_pipe_that_breaks_does_not_kill_a_program_that_lets_pipes_kill_it(self) -> None:
        client = self.client()
        client.publish("x", 1)
        self.daemon.hang_up()
        self.wait_until(lambda: self.daemon.ended == [1])
        before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            self.assertEqual(client.publish("x", 2), "accepted")
        finally:
            signal.signal(signal.SIGPIPE, before)

    def lose_once(self, op: str) -> None:
        def answer(_: Request) -> Reply:
            if len(self.daemon.connections) == 1:
                self.daemon.hang_up()
            return None if len(self.daemon.connections) == 1 else {"ok": "accepted"}

        self.daemon.answers[op] = answer


class WhatComes(Test):
    def test_a_message_goes_to_the_callback_of_its_subscription(self) -> None:
        client = self.client()
        one: List[Message] = []
        two: List[Message] = []
        client.subscribe("a/+", one.append)
        client.subscribe("b", two.append, qos=1)
        self.assertEqual(self.daemon.asked("subscribe")[1], {"op": "subscribe", "topic": "b", "qos": 1})
        self.daemon.tell(
            message(2, "b", "Küche", retained=True, dropped=3),
            {"message": {"subscription": 1, "topic": "a/x", "payload_base64": "/wA=", "retained": False}},
        )
        self.wait_until(lambda: one and two, "both messages")
        self.assertEqual(one, [Message("a/x", b"\xff\x00", False, 0)])
        self.assertEqual(two, [Message("b", "Küche".encode(), True, 3)])
        self.assertEqual((one[0].text, two[0].text), ("\ufffd\0", "Küche"))

    def test_a_message_right_behind_the_answer_is_not_overlooked(self) -> None:
        self.daemon.answers["subscribe"] = lambda _: [
            {"ok": "subscribed", "subscription": 7},
            message(7, "a", "1"),
        ]
        told: List[Message] = []
        self.client().subscribe("a", told.append)
        self.wait_until(lambda: told, "the message")
        self.assertEqual(told[0].json(), 1)

    def test_subscriptions_outlive_a_daemon_under_whatever_number(self) -> None:
        client = self.client()
        one: List[Message] = []
        two: List[Message] = []
        first = client.subscribe("a", one.append)
        client.subscribe("b", two.append)
        self.daemon.stop()
        first.close()
        self.daemon.start()
        # That of `a` is gone, and `b` has the number 3 now.
        self.wait_until(lambda: len(self.daemon.asked("subscribe")) == 3, "subscribed again")
        self.wait_until(lambda: client._subscriptions and 3 in client._subscriptions.values())
        self.daemon.tell(message(3, "b", ""))
        self.wait_until(lambda: two, "the message")
        self.assertEqual(one, [])

    def test_a_subscription_that_is_closed_is_told_nothing(self) -> None:
        client = self.client()
        told: List[Message] = []
        rest: List[Message] = []
        client.subscribe("b", rest.append)
        with client.subscribe("a", told.append) as subscription:
            pass
        subscription.close()
        self.assertEqual(self.daemon.asked("unsubscribe"), [{"op": "unsubscribe", "subscription": 2}])
        self.daemon.tell(message(2, "a", ""), message(1, "b", ""))
        self.wait_until(lambda: rest, "the other message")
        self.assertEqual(told, [])

    def test_a_command_goes_to_the_callback_of_its_entity(self) -> None:
        client = self.client()
        asked: List[Any] = []
        client.on_command("pump", lambda it: asked.append(("pump", it)))
        client.on_command("dim", lambda it: asked.append(("dim", it)))
        client.register("switch", "pump", "Pump")
        for entity, value in [("dim", 3.5), ("nobody", 1), ("pump", True)]:
            self.daemon.tell({"command": {"entity": entity, "value": value}})
        self.wait_until(lambda: len(asked) == 2, "both commands")
        self.assertEqual(asked, [("dim", 3.5), ("pump", True)])

    def test_a_callback_that_fails_is_logged_and_the_next_is_called(self) -> None:
        client = self.client()
        called: List[Any] = []

        def callback(value: Any) -> None:
            called.append(threading.current_thread().name)
            raise SystemExit if value else ZeroDivisionError

        client.on_command("pump", callback)
        client.publish("x", 1)
        with self.assertLogs("luigi_mqtt", "ERROR") as logged:
            for value in [False, True, False]:
                self.daemon.tell({"command": {"entity": "pump", "value": value}})
            self.wait_until(lambda: len(logged.output) == 3, "all failures")
        self.assertEqual(called, ["luigi-mqtt"] * 3)
        self.assertIn("ZeroDivisionError", logged.output[0])

    def test_a_callback_may_publish(self) -> None:
        client = self.client()
        client.on_command("pump", lambda it: client.publish("pump", it))
        client.register("switch", "pump", "Pump")
        self.daemon.tell({"command": {"entity": "pump", "value": True}})
        self.wait_until(lambda: self.daemon.asked("reading"), "the new state")
        self.assertEqual(self.daemon.asked("reading")[0]["value"], True)

    def test_a_callback_may_close_the_client(self) -> None:
        client = self.client()
        closed = threading.Event()

        def callback(_: Any) -> None:
            client.close()
            closed.set()

        client.on_command("pump", callback)
        client.register("switch", "pump", "Pump")
        self.daemon.tell({"command": {"entity": "pump", "value": True}})
        self.assertTrue(closed.wait(LIMIT))
        self.wait_until(lambda: self.daemon.ended == [1], "the end of the connection")
        self.wait_until(lambda: "luigi-mqtt" not in threads(), "the end of the thread")

    def test_a_callback_that_takes_its_time_does_not_keep_others_from_publishing(self) -> None:
        client = self.client()
        busy, done = threading.Event(), threading.Event()

        def callback(_: Any) -> None:
            busy.set()
            done.wait(LIMIT)

        client.on_command("pump", callback)
        client.register("switch", "pump", "Pump")
        self.daemon.tell({"command": {"entity": "pump", "value": True}})
        self.assertTrue(busy.wait(LIMIT))
        self.assertEqual(client.publish("x", 1), "accepted")
        done.set()

    def test_a_call_that_waits_does_not_keep_callbacks_from_being_called(self) -> None:
        client = self.client()
        called = threading.Event()
        client.on_command("pump", lambda _: called.set())
        client.register("switch", "pump", "Pump")

        def answer(_: Request) -> Reply:
            self.daemon.tell({"command": {"entity": "pump", "value": True}})
            return {"ok": "delivered" if called.wait(LIMIT) else "not called"}

        self.daemon.answers["reading"] = answer
        self.assertEqual(client.publish("x", 1, wait=LIMIT), "delivered")

    def test_more_events_than_callbacks_can_take_lose_the_oldest_and_a_log_says_so(self) -> None:
        client = self.client()
        busy, done = threading.Event(), threading.Event()
        asked: List[Any] = []

        def callback(value: Any) -> None:
            asked.append(value)
            busy.set()
            done.wait(LIMIT)

        client.on_command("pump", callback)
        client.publish("x", 1)
        self.daemon.tell({"command": {"entity": "pump", "value": -1}})
        self.assertTrue(busy.wait(LIMIT))
        events = [{"command": {"entity": "pump", "value": it}} for it in range(luigi_mqtt._EVENTS + 10)]
        self.daemon.answers["reading"] = lambda _: [*events, {"ok": "accepted"}]
        with self.assertLogs("luigi_mqtt", "WARNING") as logged:
            client.publish("x", 1)
        self.assertEqual(len(logged.output), 1)
        done.set()
        self.wait_until(lambda: len(asked) == 1 + luigi_mqtt._EVENTS, "the rest")
        self.assertEqual(asked[1], 10)


class ThreadsSignalsAndForks(Test):
    def test_a_program_that_only_publishes_has_no_thread(self) -> None:
        client = self.client()
        client.register_sensor("x", "X", permanent=True)
        client.publish("x", 1)
        client.publish_raw("a", "b")
        self.assertNotIn("luigi-mqtt", threads())
        client.register_sensor("y", "Y")
        self.assertIn("luigi-mqtt", threads())

    def test_the_end_of_a_client_is_that_of_its_connection_and_its_thread(self) -> None:
        with LuigiMQTT(self.path, LIMIT) as client:
            client.register_sensor("x", "X")
            self.assertIn("luigi-mqtt", threads())
        self.assertNotIn("luigi-mqtt", threads())
        self.wait_until(lambda: self.daemon.ended == [1], "the end of the connection")
        with self.failing("closed", luigi_mqtt.Unreachable):
            client.publish("x", 1)

    def test_each_of_many_threads_has_the_answer_to_its_own_question(self) -> None:
        for listens in [False, True]:
            client = self.client()
            self.daemon.answers["reading"] = lambda it: {"ok": str(it["value"])}
            if listens:
                client.on_command("pump", lambda _: None)
            calls = [
                Call(lambda n=n: [client.publish("x", n * 1000 + it) for it in range(50)])  # type: ignore[misc]
                for n in range(8)
            ]
            for n, call in enumerate(calls):
                self.assertEqual(call.returned(), [str(n * 1000 + it) for it in range(50)])
        self.assertEqual(len(self.daemon.connections), 2)

    def test_a_thread_that_does_not_get_its_turn_gives_up(self) -> None:
        client = self.client()
        asked, done = threading.Event(), threading.Event()

        def answer(_: Request) -> Reply:
            asked.set()
            done.wait(LIMIT)
            return {"ok": "delivered"}

        self.daemon.answers["reading"] = answer
        call = Call(lambda: client.publish("x", 1, wait=LIMIT))
        self.assertTrue(asked.wait(LIMIT))
        client.timeout = SHORT
        with self.failing("unreachable", luigi_mqtt.Unreachable):
            client.status()
        done.set()
        self.assertEqual(call.returned(), "delivered")

    def test_an_interrupted_call_leaves_no_answer_for_the_next(self) -> None:
        # Whoever runs the tests in the background may have the signal ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        for listens in [False, True]:
            client = self.client()
            if listens:
                client.register_sensor("x", "X")
            self.daemon.answers["reading"] = lambda _: self.interrupt(signal.SIGINT)
            with self.assertRaises(KeyboardInterrupt):
                client.publish("x", 1)
            del self.daemon.answers["reading"]
            self.assertEqual(client.publish("x", 2), "accepted")

    def test_a_signal_handler_may_publish_in_the_middle_of_a_call(self) -> None:
        client = self.client()
        handled = threading.Event()

        def handler(*_: object) -> None:
            client.publish("x", "handler")
            with self.failing("busy"):
                client.register_sensor("y", "Y")
            handled.set()

        def answer(request: Request) -> Reply:
            if request["value"] == "call":
                self.interrupt(signal.SIGUSR1)
                handled.wait(LIMIT)
            return {"ok": request["value"]}

        self.daemon.answers["reading"] = answer
        before = signal.signal(signal.SIGUSR1, handler)
        try:
            self.assertEqual(client.publish("x", "call"), "call")
        finally:
            signal.signal(signal.SIGUSR1, before)
        self.assertTrue(handled.is_set())
        self.assertEqual([(number, it["value"]) for number, it in self.daemon.requests], [(1, "call"), (2, "handler")])

    def test_a_child_has_a_connection_of_its_own_and_nothing_registered(self) -> None:
        client = self.client()
        client.register_sensor("x", "X")

        def child() -> None:
            self.assertNotIn("luigi-mqtt", threads())
            self.assertEqual(client.publish("x", 2), "accepted")
            client.close()

        self.assertEqual(in_child(child), 0)
        self.wait_until(lambda: self.daemon.ended == [2], "the end of the child's connection")
        self.assertEqual(client.publish("x", 3), "accepted")
        asked = [(number, it["op"]) for number, it in self.daemon.requests]
        self.assertEqual(asked, [(1, "register"), (2, "reading"), (1, "reading")])

    def test_a_child_of_a_thread_in_the_middle_of_a_call_is_not_stuck(self) -> None:
        client = self.client()
        asked, done = threading.Event(), threading.Event()

        def answer(request: Request) -> Reply:
            if request["value"] == "call":
                asked.set()
                done.wait(LIMIT)
            return {"ok": request["value"]}

        self.daemon.answers["reading"] = answer
        call = Call(lambda: client.publish("x", "call"))
        self.assertTrue(asked.wait(LIMIT))
        self.assertEqual(in_child(lambda: self.assertEqual(client.publish("x", "child"), "child")), 0)
        done.set()
        self.assertEqual(call.returned(), "call")

    def interrupt(self, number: signal.Signals) -> Request:
        identifier = threading.main_thread().ident
        assert identifier is not None
        signal.pthread_kill(identifier, number)
        return {"ok": "stale"}


class AsAScript(Test):
    def test_the_functions_of_the_module_find_the_socket_by_its_variable(self) -> None:
        script = "import luigi_mqtt as m; m.register_sensor('x', 'X'); print(m.publish('x', 1))"
        self.assertEqual(self.run_script("-c", script), "accepted\n")
        self.assertEqual([it["op"] for _, it in self.daemon.requests], ["register", "reading"])

    def test_the_example_tells_the_door(self) -> None:
        # In the place of the part of gpiozero that it uses: a contact that is closed, then opened.
        script = """
import runpy, signal, sys, types

contacts = []

class Button:
    is_pressed = True
    def __init__(self, line, bounce_time):
        contacts.append(self)

signal.pause = lambda: contacts[0].when_released()
sys.modules["gpiozero"] = types.SimpleNamespace(Button=Button)
runpy.run_path("examples/door.py")
"""
        self.run_script("-c", script)
        self.assertEqual(self.daemon.asked("register")[0]["entity"]["device_class"], "door")
        self.assertEqual([it["value"] for it in self.daemon.asked("reading")], [False, True])

    def run_script(self, *arguments: str) -> str:
        environment = {**os.environ, "LUIGI_MQTT_SOCKET": self.path, "PYTHONPATH": FOLDER}
        command = [sys.executable, "-W", "error", *arguments]
        ended = subprocess.run(command, cwd=FOLDER, env=environment, stdout=subprocess.PIPE, timeout=LIMIT, check=True)
        return ended.stdout.decode()


class Scalar:
    """A number or a truth value as numpy has them."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def item(self) -> Any:
        return self._value

    def __float__(self) -> float:
        return float(self._value)


class Call(threading.Thread):
    """A call on another thread, and what it returned."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._returned: Optional[Tuple[Any]] = None
        self.start()

    def run(self) -> None:
        self._returned = (self._call(),)

    def returned(self) -> Any:
        self.join(LIMIT)
        assert self._returned is not None, "it has not returned"
        return self._returned[0]


def lines(*answers: Request) -> bytes:
    return b"".join(json.dumps(it).encode() + b"\n" for it in answers)


def message(subscription: int, topic: str, payload: str, **more: Any) -> Request:
    return {"message": {"subscription": subscription, "topic": topic, "payload": payload, "retained": False, **more}}


def listed(answer: Union[Request, List[Request]]) -> List[Request]:
    return answer if isinstance(answer, list) else [answer]


def threads() -> List[str]:
    return [it.name for it in threading.enumerate()]


def in_child(body: Callable[[], None]) -> int:
    """Runs `body` in a forked child, and returns how it ended: 0 is well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            body()
            code = 0
        except BaseException as failure:
            print(f"in the child: {failure!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


# Tests look for what is logged where they expect it.
logging.getLogger("luigi_mqtt").addHandler(logging.NullHandler())
FOLDER = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    unittest.main()
