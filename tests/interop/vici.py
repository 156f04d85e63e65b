"""A client of strongSwan's control interface (VICI), strict about what it takes."""
import socket
import struct
import time

(CMD_REQUEST, CMD_RESPONSE, CMD_UNKNOWN, EVENT_REGISTER, EVENT_UNREGISTER, EVENT_CONFIRM,
 EVENT_UNKNOWN, EVENT) = range(8)
SECTION_START, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END = range(1, 7)


class ViciError(Exception):
    """The other side broke the protocol, or refused."""


def _blob(value):
    data = value if isinstance(value, bytes) else str(value).encode()
    return struct.pack("!H", len(data)) + data


def encode(tree):
    out = b""
    for key, value in tree.items():
        name = bytes([len(key)]) + key.encode()
        if isinstance(value, dict):
            out += bytes([SECTION_START]) + name + encode(value) + bytes([SECTION_END])
        elif isinstance(value, (list, tuple)):
            items = b"".join(bytes([LIST_ITEM]) + _blob(item) for item in value)
            out += bytes([LIST_START]) + name + items + bytes([LIST_END])
        else:
            out += bytes([KEY_VALUE]) + name + _blob(value)
    return out


def _text(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def decode(data):
    """The tree; of elements with one name in one section the protocol allows but one."""
    stack, at, items = [{}], 0, None

    def take(size):
        nonlocal at
        if at + size > len(data):
            raise ViciError("a message ends inside an element")
        at += size
        return data[at - size:at]

    def put(name, value):
        if items is not None or name in stack[-1]:
            raise ViciError(f"{name!r} does not belong here")
        stack[-1][name] = value
        return value

    while at < len(data):
        kind = take(1)[0]
        if kind in (SECTION_START, KEY_VALUE, LIST_START):
            name = take(take(1)[0]).decode()
        if kind == SECTION_START:
            stack.append(put(name, {}))
        elif kind == SECTION_END and items is None and len(stack) > 1:
            stack.pop()
        elif kind == KEY_VALUE:
            put(name, _text(take(struct.unpack("!H", take(2))[0])))
        elif kind == LIST_START:
            items = put(name, [])
        elif kind == LIST_ITEM and items is not None:
            items.append(_text(take(struct.unpack("!H", take(2))[0])))
        elif kind == LIST_END and items is not None:
            items = None
        else:
            raise ViciError(f"element {kind} does not belong here")
    if len(stack) != 1 or items is not None:
        raise ViciError("a message ends too soon")
    return stack[0]


class Session:
    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.events = []  # those that came while a response was waited for

    def close(self):
        self.socket.close()

    def send(self, kind, name=None, body=b""):
        named = bytes([len(name)]) + name.encode() if name is not None else b""
        packet = bytes([kind]) + named + body
        self.socket.sendall(struct.pack("!I", len(packet)) + packet)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError("the connection is closed")
            data += more
        return data

    def packet(self):
        """(type, name, message) of the next packet."""
        packet = self._exactly(struct.unpack("!I", self._exactly(4))[0])
        if packet[0] == EVENT:
            end = 2 + packet[1]
            return EVENT, packet[2:end].decode(), decode(packet[end:])
        return packet[0], None, decode(packet[1:])

    def skip(self):
        """The type of the next packet, whatever else is in it."""
        size = struct.unpack("!I", self._exactly(4))[0]
        return self._exactly(size)[0]

    def _response(self):
        while True:
            kind, name, message = self.packet()
            if kind != EVENT:
                return kind, message
            self.events.append((name, message))

    def register(self, *names):
        for name in names:
            self.send(EVENT_REGISTER, name)
            if self._response()[0] != EVENT_CONFIRM:
                raise ViciError(f"there is no event {name}")

    def unregister(self, name):
        self.send(EVENT_UNREGISTER, name)
        if self._response()[0] != EVENT_CONFIRM:
            raise ViciError(f"there is no event {name}")

    def request(self, command, **arguments):
        """The response; underscores of argument names stand for dashes."""
        tree = {key.replace("_", "-"): value for key, value in arguments.items()}
        return self.request_tree(command, tree)

    def request_tree(self, command, tree):
        self.send(CMD_REQUEST, command, encode(tree))
        kind, message = self._response()
        if kind != CMD_RESPONSE:
            raise ViciError(f"there is no command {command}")
        return message

    def stream(self, command, event, **arguments):
        """The events of a streaming command."""
        self.register(event)
        self.events = []
        self.request(command, **arguments)
        found = [message for name, message in self.events if name == event]
        self.unregister(event)
        return found

    def wait_event(self, names, timeout=10):
        """The next event of one of these names, from now on or from before."""
        end = time.monotonic() + timeout
        while True:
            for index, (name, message) in enumerate(self.events):
                if name in names:
                    del self.events[index]
                    return name, message
            left = end - time.monotonic()
            if left <= 0:
                raise ViciError(f"no {' or '.join(names)} came")
            self.socket.settimeout(left)
            try:
                kind, name, message = self.packet()
            except TimeoutError:
                continue
            finally:
                self.socket.settimeout(20)
            if kind == EVENT:
                self.events.append((name, message))

    def sas(self, **arguments):
        return self.stream("list-sas", "list-sa", **arguments)
