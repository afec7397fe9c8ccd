"""Tell Home Assistant something from Python, through the luigi-mqtt daemon of this machine.

    import luigi_mqtt

    luigi_mqtt.register_binary_sensor("door", "Front Door", device_class="door")
    luigi_mqtt.publish("door", True)

This file is all there is of it: copy it beside the script, or have it on the path. It needs nothing but Python 3.9 or
newer, and a user that may open the daemon's socket (`sudo usermod -aG luigi USER`, then a new login).

The connection. The functions of the module share one client, `LuigiMQTT` makes others. A client connects when it is
first used. When the daemon is restarted, the next call connects again, and so does a client that has something to listen
for, by itself. What was registered and subscribed through it is made again then.

How long it takes. A call answers in about a millisecond. It blocks for `timeout` seconds at most (10), and with `wait` for
so much longer, while it tries to reach the daemon, or to have a daemon take what it is too busy for. It raises `Unreachable`
after that. Nothing is kept in this process: what the broker cannot take is kept by the daemon.

What it returns. `"accepted"`: the broker is connected, the value is on its way. `"queued"`: it is not, the daemon keeps the
value until it is. `"delivered"`, with `wait` only: the broker has acknowledged it. When the daemon is restarted in the
middle of a call, a value can be told twice; none is lost between here and the daemon.

Threads. A client can be used by several, which take turns: one that waits (`wait`) keeps the others waiting. It has a
thread of its own, which sleeps, from the first `register…`, `subscribe` or `on_command` on; callbacks run there, one after
the other, and may use the client. What a callback raises is logged (`logging`, by the name of luigi_mqtt). A script that
only publishes has no such thread. The child of a `fork` has a new connection and nothing registered.

Errors. All are of `LuigiMQTTError`, with what the daemon says in `code`, `reason` and `expected`.
"""

from __future__ import annotations

import base64
import collections.abc
import contextlib
import datetime
import errno
import json
import logging
import math
import os
import select
import socket
import threading
import time
import weakref
from typing import Any, Callable, Deque, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Type, Union

__all__ = [
    "Answer",
    "Forbidden",
    "Invalid",
    "LuigiMQTT",
    "LuigiMQTTError",
    "Message",
    "Subscription",
    "Timeout",
    "UnknownEntity",
    "Unreachable",
    "available",
    "devices",
    "get",
    "on_command",
    "publish",
    "publish_binary_sensor",
    "publish_raw",
    "publish_sensor",
    "register",
    "register_binary_sensor",
    "register_sensor",
    "status",
    "subscribe",
    "unregister",
]

Answer = Dict[str, Any]
"""What the daemon says: the fields of a JSON object."""

Value = Union[None, bool, int, float, str, datetime.date, Mapping[str, Any]]
"""The state of an entity. `None` is unknown; `True` and `False` are on and off; a time without a zone is local time."""


class LuigiMQTTError(Exception):
    """A request was not carried out."""

    code: str
    """What programs decide by: a word of the protocol such as `taken`, or `unreachable`."""
    reason: str
    """For people: what is wrong with what."""
    expected: Optional[str]
    """What would have been right, or is to be done."""

    def __init__(self, code: str, reason: str, expected: Optional[str] = None) -> None:
        super().__init__(code, reason, expected)
        self.code, self.reason, self.expected = code, reason, expected

    def __str__(self) -> str:
        return self.reason if self.expected is None else f"{self.reason}: expected {self.expected}"


class Unreachable(LuigiMQTTError):
    """The daemon does not run, or has not answered in time. What was asked may be asked again."""


class Timeout(LuigiMQTTError):
    """`wait` has passed without the broker's acknowledgement. What was accepted is on its way still."""


class Invalid(LuigiMQTTError, ValueError):
    """The request cannot be right: a value that Home Assistant would refuse, an unknown field, too many bytes."""


class UnknownEntity(LuigiMQTTError, LookupError):
    """There is no entity of that id: it is to be registered, or described in the daemon's folder sensors.d."""


class Forbidden(LuigiMQTTError):
    """The user of this process may not open the socket, or may not do this: the groups in [Socket] decide."""


class Message(NamedTuple):
    """A message that came for a subscription."""

    topic: str
    """Where it was published."""
    payload: bytes
    """What was published."""
    retained: bool
    """Whether the broker had kept it: it is from before the subscription."""
    dropped: int
    """How many messages before this one were lost, because they came faster than the callback took them."""

    @property
    def text(self) -> str:
        """The payload as text; bytes that are no UTF-8 become U+FFFD."""
        return self.payload.decode(errors="replace")

    def json(self) -> Any:
        """The payload as JSON. Raises `ValueError` where it is none."""
        return json.loads(self.payload)


class Subscription:
    """What `subscribe` returns. Its end is `close`, or that of a `with` block."""

    def __init__(self, client: LuigiMQTT, request: Answer, callback: Callable[[Message], object]) -> None:
        self._client, self._request, self._callback = client, request, callback

    def close(self) -> None:
        """Ends it: no message is handed to the callback any more, but the one it may be busy with. Blocks as every call;
        does nothing the second time."""
        self._client._unsubscribe(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LuigiMQTT:
    """A connection to the daemon: of its own, where that of the module's functions will not do.

    `socket_path` is that of the daemon's socket; without it, what the variable LUIGI_MQTT_SOCKET says at the first use, or
    else /run/luigi-mqtt/luigi-mqtt.sock. `timeout` is the longest that a call may block, in seconds, above 0. Connects when
    it is first used. `close` ends it, or a `with` block.

    The module's documentation says what holds for all calls: how long they block, what they return and raise.
    """

    timeout: float
    """The longest that a call may block, in seconds, and a week at most; `wait` comes on top."""

    def __init__(self, socket_path: Union[None, str, os.PathLike[str]] = None, timeout: float = 10.0) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout: expected seconds above 0, found {timeout}")
        self.timeout = timeout
        self._path = None if socket_path is None else os.fspath(socket_path)
        self._closed = False
        self._forget()
        _clients.add(self)

    def _forget(self) -> None:
        """As new: nothing asked, nothing registered."""
        # Reentrant, for signal handlers: see _aside.
        self._lock = threading.RLock()
        self._busy = False
        self._connection: Optional[_Connection] = None
        self._registered: Dict[str, Answer] = {}
        self._subscriptions: Dict[Subscription, int] = {}
        self._commands: Dict[str, Callable[[Any], object]] = {}
        self._events: Deque[Tuple[Callable[[Any], object], Any]] = collections.deque()
        self._overflowed = False
        self._listener: Optional[threading.Thread] = None
        self._listener_waits = False
        self._bell: Optional[Tuple[socket.socket, socket.socket]] = None

    def __enter__(self) -> LuigiMQTT:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Telling values.

    def publish(
        self,
        sensor: str,
        value: Value,
        *,
        attributes: Optional[Mapping[str, Any]] = None,
        available: Optional[bool] = None,
        wait: Optional[float] = None,
    ) -> str:
        """Tells `value` as the state of `sensor`, which is registered, or described in the daemon's folder sensors.d, or one
        of its sections with SOURCE=socket. A text is read as what the sensor is: `"21.5"` is a number, `"on"` is on.

        `attributes` take the place of those before, where the entity has any. `available` is whether the sensor
        works, apart from the machine. `wait` is for how many seconds, up to 3600, the answer may wait for the broker's acknowledgement.

        Returns `"accepted"`, `"queued"` or, with `wait`, `"delivered"`. Raises `UnknownEntity`, `Invalid`, and with `wait`
        also `Timeout`, or `LuigiMQTTError` by the code of `replaced` where a newer value has overtaken this one."""
        return self._reading({"entity": sensor, "value": value, "attributes": attributes, "available": available}, wait)

    publish_sensor = publish

    def publish_binary_sensor(self, sensor: str, on: Union[None, bool, int, str], *, wait: Optional[float] = None) -> str:
        """As `publish`, but a number is on where it is not 0. A text says it: `"ON"`, `"OFF"`."""
        return self.publish(sensor, on if on is None or isinstance(on, str) else bool(on), wait=wait)

    def available(self, sensor: str, available: bool, *, wait: Optional[float] = None) -> str:
        """Tells whether `sensor` works; Home Assistant shows it as unavailable where it does not. Else as `publish`."""
        return self._reading({"entity": sensor, "available": bool(available)}, wait, value=False)

    def publish_raw(
        self,
        topic: str,
        payload: Any,
        qos: Optional[int] = None,
        retain: bool = False,
        *,
        delivery: str = "every",
        wait: Optional[float] = None,
    ) -> str:
        """Publishes `payload` on a topic of one's own choice: bytes and text as they are, everything else as JSON.

        `qos` is 0, 1 or 2, as configured where `None`. `retain`: the broker keeps it for those who come later. `delivery` is
        `"every"`, or `"latest"`: one that waits makes room for a newer one on the same topic. The rest is as of `publish`.
        Raises `Forbidden` where publishing on any topic is reserved for a group."""
        request: Answer = {"op": "publish", "topic": topic, "retain": bool(retain), "delivery": delivery}
        if isinstance(payload, (bytes, bytearray, memoryview)):
            request["payload_base64"] = base64.b64encode(payload).decode()
        else:
            request["payload"] = payload
        if qos is not None:
            request["qos"] = qos
        return _word(self._ask(request, wait=wait))

    # What there is to tell.

    def register(self, platform: str, sensor_id: str, name: str, *, permanent: bool = False, **fields: Any) -> None:
        """Has an entity announced to Home Assistant: of `platform` (`"sensor"`, `"switch"`, `"number"`, …), shown as `name`.
        Doing it again changes it. `fields` are the rest of its description, as the daemon's reference of the protocol has them:
        `device_class="motion"`, `expire_after=600` (seconds), `attributes=True` where it is to have some. Those that are
        `None` are left out.

        The entity is unavailable when this program ends or closes the client, and is removed a minute later. One that is
        `permanent` stays, available without this program too, until it is unregistered: right for a script that cron starts.

        Raises `Invalid` for what Home Assistant would not take, and `LuigiMQTTError` by the code of `taken` where
        somebody else has an entity of that id."""
        entity = {"platform": platform, "id": sensor_id, "name": name}
        entity.update((name, it) for name, it in fields.items() if it is not None)
        request: Answer = {"op": "register", "entity": entity, "permanent": permanent}
        with self._turn(self.timeout) as deadline:
            self._exchange(request, deadline)
            self._registered[sensor_id] = request
            # A lost connection is to be noticed now, not when there is something to publish again, perhaps tomorrow: until
            # then the entity would be unavailable, and gone.
            if not permanent:
                self._listen()

    def register_sensor(
        self,
        sensor_id: str,
        name: str,
        device_class: Optional[str] = None,
        unit: Optional[str] = None,
        state_class: Optional[str] = None,
        icon: Optional[str] = None,
        *,
        permanent: bool = False,
        **fields: Any,
    ) -> None:
        """`register` for a sensor: numbers in `unit` (`"°C"`), or texts. `device_class` is Home Assistant's (`"temperature"`),
        `state_class` too (`"measurement"`), `icon` as in `"mdi:thermometer"`."""
        fields.update(device_class=device_class, unit=unit, state_class=state_class, icon=icon)
        self.register("sensor", sensor_id, name, permanent=permanent, **fields)

    def register_binary_sensor(
        self,
        sensor_id: str,
        name: str,
        device_class: Optional[str] = None,
        icon: Optional[str] = None,
        *,
        permanent: bool = False,
        **fields: Any,
    ) -> None:
        """`register` for a sensor that is on or off. `device_class` is Home Assistant's (`"motion"`, `"door"`)."""
        fields.update(device_class=device_class, icon=icon)
        self.register("binary_sensor", sensor_id, name, permanent=permanent, **fields)

    def unregister(self, entity: str) -> None:
        """Has an entity that was registered removed from Home Assistant."""
        with self._turn(self.timeout) as deadline:
            self._exchange({"op": "unregister", "entity": entity}, deadline)
            self._registered.pop(entity, None)

    # What comes from outside.

    def subscribe(self, topic: str, callback: Callable[[Message], object], qos: int = 1) -> Subscription:
        """Has `callback(message)` called for each message on `topic`, in which `+` stands for any level and `#` for all the
        rest; on the client's thread. `qos` is the highest at which messages come. Where the callback is slower than they come,
        some are lost, and counted in `Message.dropped`.

        Raises `Forbidden` where reading is reserved for a group."""
        request: Answer = {"op": "subscribe", "topic": topic, "qos": qos}
        subscription = Subscription(self, request, callback)
        with self._turn(self.timeout) as deadline:
            answer = self._exchange(request, deadline)
            self._subscriptions[subscription] = answer["subscription"]
            self._listen()
        return subscription

    def on_command(self, entity: str, callback: Callable[[Any], object]) -> None:
        """Has `callback(value)` called when Home Assistant asks `entity`, which this client registers, for something: `True` or
        `False` of a switch, a number of a number, a text of a select and of a text, an object of a light, `True` of a button.
        On the client's thread. The callback publishes the new state when it is reached. Does not block; the last callback
        that was given for the entity is called."""
        with self._turn(self.timeout):
            self._commands[entity] = callback
            self._listen()

    def get(self, entity: str) -> Answer:
        """An entity of this device by its id, or another's by what `devices` has as its id: `name`, `platform`, `availability`,
        `state` and more."""
        found: Answer = self._ask({"op": "get", "entity": entity})["device"]
        return found

    def set(self, entity: str, value: Value) -> Answer:
        """Asks an entity, as of `get`, to be in a state, as Home Assistant would; an object asks for several things. Not repeated
        where the connection is lost before the answer has come, for the button may have been pressed: raises `Unreachable`
        then. Raises `Forbidden` where it is reserved for a group."""
        return self._ask({"op": "set", "entity": entity, "value": value}, repeat=False)

    def devices(self) -> List[Answer]:
        """What others announce to Home Assistant, each as `get` returns it. The first time it takes some seconds. Raises
        `LuigiMQTTError` by the code of `not_connected` where the broker is not."""
        found: List[Answer] = []
        page: Answer = {"more": True}
        while page["more"]:
            after = {"after": found[-1]["id"]} if found else {}
            page = self._ask({"op": "devices", **after})
            found += page["devices"]
        return found

    def status(self) -> Answer:
        """How the daemon fares: `connection`, `messages`, `entities`, `troubles`, `memory` and more. Times are in seconds, sizes
        in bytes."""
        found: Answer = self._ask({"op": "status"})["status"]
        return found

    def close(self) -> None:
        """Ends the connection, and with it what is registered and not permanent. Waits until the callback that runs has ended,
        at most `timeout` seconds. Nothing else can be done with the client then."""
        with self._lock:
            self._closed = True
            self._drop()
        self._wake()
        listener = self._listener
        if listener is not None and listener is not threading.current_thread():
            listener.join(self.timeout)

    # One request at a time.

    def _reading(self, fields: Answer, wait: Optional[float], value: bool = True) -> str:
        kept = {name: it for name, it in fields.items() if it is not None or (value and name == "value")}
        return _word(self._ask({"op": "reading", **kept}, wait=wait))

    def _ask(self, request: Answer, wait: Optional[float] = None, repeat: bool = True) -> Answer:
        if wait is not None:
            request["wait"] = wait
        with self._turn(self.timeout + _seconds(wait)) as deadline:
            return self._exchange(request, deadline, repeat)

    @contextlib.contextmanager
    def _turn(self, limit: float) -> Iterator[float]:
        """Holds the client for one thread, until the moment that it yields at most."""
        limit = min(limit, _LONGEST_CALL)
        deadline = time.monotonic() + limit
        if not self._lock.acquire(timeout=limit):
            raise Unreachable("unreachable", f"another thread's call has had the connection for {limit:g} s")
        try:
            yield deadline
        finally:
            self._lock.release()
            # The listener has left the socket alone meanwhile, and does not see what was read, but not sorted.
            connection = self._connection
            if self._listener_waits or (connection is not None and connection.has_line()):
                self._wake()

    def _exchange(self, request: Answer, deadline: float, repeat: bool = True) -> Answer:
        """Asks `request`, connecting as often as it takes until `deadline`. The lock is held."""
        line = _line(request)
        if self._busy:
            return self._aside(request, deadline, repeat)
        self._busy = True
        try:
            pause = _FIRST_PAUSE
            while True:
                try:
                    return self._insist(self._connected(deadline), line, deadline)
                except _Lost as lost:
                    self._drop()
                    if lost.asked and not repeat:
                        raise lost.unreachable("whether it was carried out is not known") from lost
                    left = deadline - time.monotonic()
                    if lost.final or left <= 0:
                        raise lost.unreachable() from lost
                time.sleep(min(pause, left))
                pause = _next(pause, _LAST_PAUSE)
        finally:
            self._busy = False

    def _insist(self, connection: _Connection, line: bytes, deadline: float) -> Answer:
        """Asks, and again for as long as the daemon says that it cannot take it at the moment. Raises `_Lost` too."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return connection.ask(line, deadline, self._sort)
            except LuigiMQTTError as failure:
                if failure.code != "full" or time.monotonic() + pause >= deadline:
                    raise
            time.sleep(pause)
            pause = _next(pause, _LAST_PAUSE)

    def _aside(self, request: Answer, deadline: float, repeat: bool) -> Answer:
        """Asks over a connection of its own, for a signal handler that has interrupted this thread in the middle of a call."""
        if request["op"] in ("register", "subscribe"):
            raise LuigiMQTTError("busy", f"{request['op']} was called by a signal handler in the middle of another call")
        with LuigiMQTT(self._path, max(deadline - time.monotonic(), _FIRST_PAUSE)) as other:
            return other._ask(request, repeat=repeat)

    def _connected(self, deadline: float) -> _Connection:
        """The connection, made if there is none. Raises `_Lost`."""
        if self._closed:
            raise Unreachable("closed", "the client is closed")
        connection = self._connection
        if connection is not None and connection.owes:
            self._drop()
            connection = None
        if connection is None:
            path = self._path or os.environ.get("LUIGI_MQTT_SOCKET") or _SOCKET
            connection = _Connection(path)
            try:
                self._restore(connection, deadline)
            except BaseException:
                # One that was interrupted too: what it lacks, nobody would know.
                connection.close()
                raise
            self._connection = connection
            # The listener is to hear of it, and then listens to it.
            self._wake()
        return connection

    def _restore(self, connection: _Connection, deadline: float) -> None:
        """Registers and subscribes what a connection before had registered and subscribed."""
        for request in list(self._registered.values()):
            try:
                self._insist(connection, _line(request), deadline)
            except LuigiMQTTError as failure:
                _log.error("cannot register %s again: %s", request["entity"]["id"], failure)
        # Their numbers mean nothing any more.
        self._subscriptions = dict.fromkeys(self._subscriptions, 0)
        for subscription in list(self._subscriptions):
            try:
                answer = self._insist(connection, _line(subscription._request), deadline)
                self._subscriptions[subscription] = answer["subscription"]
            except LuigiMQTTError as failure:
                _log.error("cannot subscribe to %s again: %s", subscription._request["topic"], failure)

    def _unsubscribe(self, subscription: Subscription) -> None:
        with self._turn(self.timeout) as deadline:
            number, connection = self._subscriptions.pop(subscription, None), self._connection
            # Where the connection is lost, so is the subscription; the number means nothing on another. A signal handler that has
            # interrupted a call lets the messages come: nobody is handed them any more.
            if number is not None and connection is not None and not connection.owes:
                with contextlib.suppress(_Lost):
                    connection.ask(_line({"op": "unsubscribe", "subscription": number}), deadline, self._sort)

    def _drop(self) -> None:
        """Ends the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # Events.

    def _sort(self, event: Answer) -> None:
        """Puts an event where the listener finds it, with the callback that is to have it."""
        if "message" in event:
            it = event["message"]
            number = it["subscription"]
            callback = next((s._callback for s, found in self._subscriptions.items() if found == number), None)
            coded = it.get("payload_base64")
            payload = it["payload"].encode() if coded is None else base64.b64decode(coded)
            what: Any = Message(it["topic"], payload, bool(it.get("retained")), int(it.get("dropped", 0)))
        elif "command" in event:
            callback = self._commands.get(event["command"]["entity"])
            what = event["command"].get("value")
        else:
            return
        if callback is None:
            return
        if len(self._events) == _EVENTS:
            self._events.popleft()
            if not self._overflowed:
                _log.warning("callbacks are slower than events come: the oldest are dropped")
            self._overflowed = True
        self._events.append((callback, what))
        if threading.current_thread() is not self._listener:
            self._wake()

    def _listen(self) -> None:
        """Starts the thread that listens, if there is none. The lock is held."""
        if self._listener is None and not self._closed:
            self._bell = socket.socketpair()
            for end in self._bell:
                end.setblocking(False)
            # A daemon in Python's sense: it does not keep a program alive that has come to its end.
            self._listener = threading.Thread(target=self._run, name="luigi-mqtt", daemon=True)
            self._listener.start()

    def _run(self) -> None:
        """The thread that listens: runs the callbacks, and connects again when the connection is lost. It sleeps until the
        daemon says something or somebody wakes it; while another thread is in a call, until that has ended."""
        pause = _FIRST_PAUSE
        assert self._bell is not None, "made before the thread"
        heard, rung = self._bell
        while True:
            while self._events and not self._closed:
                callback, what = self._events.popleft()
                try:
                    callback(what)
                except BaseException:
                    _log.exception("a callback has failed")
            self._overflowed = False
            listened_to, limit = -1, None
            self._listener_waits = True
            if self._lock.acquire(blocking=False):
                try:
                    self._listener_waits = False
                    if self._closed:
                        break
                    if self._connection is not None and self._connection.age() > _LISTENER_LAST_PAUSE:
                        pause = _FIRST_PAUSE
                    if not self._tend():
                        limit, pause = pause, _next(pause, _LISTENER_LAST_PAUSE)
                    elif self._connection is not None:
                        listened_to = self._connection.fileno()
                finally:
                    self._lock.release()
            if not self._events:
                _poll([(heard.fileno(), select.POLLIN), (listened_to, select.POLLIN)], limit)
            with contextlib.suppress(BlockingIOError):
                heard.recv(_CHUNK)
        heard.close()
        rung.close()

    def _tend(self) -> bool:
        """Takes what has come, or connects again; false where that is to be tried later. The lock is held."""
        try:
            if self._connection is not None:
                self._connection.receive(self._sort)
                return True
        except _Lost as lost:
            self._drop()
            _log.warning("%s; trying again", lost)
            return False
        if not (self._registered or self._subscriptions):
            return True
        try:
            self._connected(time.monotonic() + self.timeout)
            _log.info("connected to the daemon again")
            return True
        except (_Lost, LuigiMQTTError) as failure:
            self._drop()
            _log.debug("cannot connect again: %s", failure)
            return False

    def _wake(self) -> None:
        bell = self._bell
        if bell is not None:
            # Full: it is awake. Closed: it has ended.
            with contextlib.suppress(OSError):
                bell[1].send(b"w", socket.MSG_NOSIGNAL)

    def _after_fork(self) -> None:
        """What a child has inherited is its parent's: the connection, the thread, what is registered."""
        self._drop()
        for end in self._bell or ():
            end.close()
        self._forget()


class _Lost(Exception):
    """There is no connection (any more)."""

    def __init__(self, reason: str, asked: bool = False, final: bool = False) -> None:
        super().__init__(reason)
        self.asked, self.final = asked, final

    def unreachable(self, more: Optional[str] = None) -> LuigiMQTTError:
        reason = str(self) if more is None else f"{self}; {more}"
        if self.final:
            return Forbidden("forbidden", reason, "a user of the group luigi: sudo usermod -aG luigi USER, and a new login")
        return Unreachable("unreachable", reason, "a daemon that runs: see systemctl status luigi-mqtt")


class _Connection:
    """A connected socket, and what was read from it. Raises `_Lost` when it is of no use any more."""

    owes: bool
    """Whether an answer is still to come. A call that is interrupted, as by KeyboardInterrupt, leaves it so; nothing else can be
    asked then, for the answer would be taken for that."""

    def __init__(self, path: str) -> None:
        self._path, self._read, self._since = path, bytearray(), time.monotonic()
        self.owes = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(path)
        except OSError as cause:
            self._socket.close()
            final = cause.errno in (errno.EACCES, errno.EPERM)
            raise _Lost(f"cannot connect to the daemon at {path}: {cause.strerror or cause}", final=final) from cause

    def fileno(self) -> int:
        return self._socket.fileno()

    def age(self) -> float:
        """For how long it has been there, in seconds."""
        return time.monotonic() - self._since

    def has_line(self) -> bool:
        return b"\n" in self._read

    def close(self) -> None:
        self._socket.close()

    def ask(self, line: bytes, deadline: float, sort: Callable[[Answer], None]) -> Answer:
        """Writes `line` and reads the next answer; events that come before it go to `sort`. Reads while it writes: a daemon
        that has much to tell us does not wait for us to have finished. Raises what the daemon says as well."""
        rest = memoryview(line)
        self.owes = True
        while True:
            answer = self._take(sort)
            if answer is not None:
                if rest:
                    raise self._lost("it has answered before it was asked", asked=True)
                self.owes = False
                return _checked(answer)
            events = select.POLLIN | (select.POLLOUT if rest else 0)
            ready = _poll([(self.fileno(), events)], deadline - time.monotonic())
            if not ready:
                raise _Lost(f"the daemon at {self._path} has not answered in time", asked=len(rest) < len(line))
            try:
                if rest and ready & select.POLLOUT:
                    rest = rest[self._socket.send(rest, socket.MSG_NOSIGNAL) :]
                if ready & ~select.POLLOUT:
                    self._fill()
            except OSError as cause:
                raise self._lost(cause.strerror or str(cause), asked=len(rest) < len(line)) from cause

    def receive(self, sort: Callable[[Answer], None]) -> None:
        """Reads what has come, without waiting."""
        try:
            self._fill()
        except OSError as cause:
            raise self._lost(cause.strerror or str(cause)) from cause
        if self._take(sort) is not None:
            raise self._lost("it has answered what nobody asked")

    def _fill(self) -> None:
        with contextlib.suppress(BlockingIOError):
            part = self._socket.recv(_CHUNK)
            if not part:
                raise OSError(errno.EPIPE, "closed by the daemon")
            self._read += part
            if len(self._read) > _LINE_BYTES + _CHUNK and not self.has_line():
                raise OSError(errno.EMSGSIZE, f"a line of more than {_LINE_BYTES} bytes")

    def _take(self, sort: Callable[[Answer], None]) -> Optional[Answer]:
        """The next answer out of what was read, if it is there; events before it go to `sort`."""
        while True:
            end = self._read.find(b"\n")
            if end < 0:
                return None
            line = bytes(self._read[:end])
            del self._read[: end + 1]
            try:
                fields = json.loads(line)
                if not isinstance(fields, dict):
                    raise ValueError("expected an object")
                if "ok" in fields or "error" in fields:
                    answer: Answer = fields
                    return answer
                sort(fields)
            except (ValueError, LookupError, TypeError, AttributeError) as cause:
                raise self._lost(f"it does not speak our language: {line[:80]!r}", asked=True) from cause

    def _lost(self, why: str, asked: bool = False) -> _Lost:
        return _Lost(f"the connection to the daemon at {self._path} is lost: {why}", asked)


def _line(request: Answer) -> bytes:
    """The request as it is sent. Raises `Invalid` for what is no JSON, or too long."""
    try:
        text = json.dumps({**request, "protocol": 1}, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
        line = text.encode()
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as cause:
        raise Invalid("invalid", f"{request['op']}: {cause}", "what JSON has, such as numbers and texts") from cause
    if len(line) > _LINE_BYTES:
        raise Invalid("line_too_long", f"{request['op']}: {len(line)} bytes", f"at most {_LINE_BYTES} in a request")
    return line + b"\n"


def _plain(value: Any) -> Any:
    """What JSON has in the place of `value`, for some types that it lacks."""
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo is not None else value.astimezone()).isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    # As numpy has it: its truth values stay what they are, and its whole numbers whole.
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "__float__"):
        return float(value)
    raise TypeError(f"{value!r} is of the type {type(value).__name__}")


def _seconds(wait: Optional[float]) -> float:
    """How much longer a call with `wait` may take. One that the daemon will refuse asks for no patience."""
    try:
        seconds = 0.0 if wait is None else float(wait)
    except (ArithmeticError, TypeError, ValueError):
        return 0.0
    return seconds if 0 < seconds <= _LONGEST_WAIT else 0.0


def _checked(answer: Answer) -> Answer:
    """The answer, if the request was carried out; else raises what the daemon says."""
    code = answer.get("error")
    if code is None:
        return answer
    if code == "ended":
        raise _Lost(f"the daemon ends: {answer.get('reason')}")
    raise _ERRORS.get(code, LuigiMQTTError)(str(code), str(answer.get("reason", "")), answer.get("expected"))


def _word(answer: Answer) -> str:
    return str(answer["ok"])


def _poll(wanted: List[Tuple[int, int]], limit: Optional[float]) -> int:
    """Waits for one of the events, for `limit` seconds at most; returns those that are there, of all files together."""
    poll, found = select.poll(), 0
    for file, events in wanted:
        if file >= 0:
            poll.register(file, events)
    for _, events in poll.poll(None if limit is None else max(0, math.ceil(limit * 1000))):
        found |= events
    return found


def _next(pause: float, last: float) -> float:
    """A longer pause; not the same of all programs that have lost the daemon at once."""
    return min(pause * (1.5 + os.urandom(1)[0] / 255), last)


def _after_fork_in_child() -> None:
    for client in list(_clients):
        client._after_fork()


_ERRORS: Dict[str, Type[LuigiMQTTError]] = {
    "field": Invalid,
    "forbidden": Forbidden,
    "invalid": Invalid,
    "line_too_long": Invalid,
    "not_json": Invalid,
    "timeout": Timeout,
    "unknown_entity": UnknownEntity,
}

_SOCKET = "/run/luigi-mqtt/luigi-mqtt.sock"
_LINE_BYTES = 256 << 10
"""The longest line in either direction, its end not counted: the protocol's limit."""
_CHUNK = 64 << 10
_LONGEST_WAIT = 3600.0
"""What the protocol has as the longest `wait`, in seconds."""
_LONGEST_CALL = 7 * 86400.0
"""A week: the system's clocks and locks take no endless limit, such as `float("inf")`."""
_EVENTS = 1000
"""How many events wait for callbacks while a call reads past them. The listener reads none while it runs a callback: the daemon
keeps them then."""
_FIRST_PAUSE = 0.05
"""Between two attempts to connect, in seconds: a daemon that is restarted is away for less than a second."""
_LAST_PAUSE = 1.0
_LISTENER_LAST_PAUSE = 10.0
"""Nobody waits for the listener: it need not keep a Pi awake when the daemon is stopped."""

_log = logging.getLogger("luigi_mqtt")
_clients: weakref.WeakSet[LuigiMQTT] = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork_in_child)

# The functions of the module: those of one client, which connects when it is first used.
_client = LuigiMQTT()
publish = _client.publish
publish_sensor = _client.publish_sensor
publish_binary_sensor = _client.publish_binary_sensor
publish_raw = _client.publish_raw
available = _client.available
register = _client.register
register_sensor = _client.register_sensor
register_binary_sensor = _client.register_binary_sensor
unregister = _client.unregister
subscribe = _client.subscribe
on_command = _client.on_command
get = _client.get
# Not among what `import *` takes: there it would hide Python's own.
set = _client.set
devices = _client.devices
status = _client.status
