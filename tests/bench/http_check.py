#!/usr/bin/env python3
"""Checks one of the benchmark HTTP servers: http_check.py [--preload LIBRARY] SERVER

Starts it on a free port, sends well-formed and malformed requests in awkward pieces, and stops it with SIGTERM.
"""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

BODY_SIZE = 300000  # more than a socket buffer takes at once, so that partial writes happen
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def expected_body(size):
    letters = bytes(ord("a") + i % 26 for i in range(size))
    return letters[:-1] + b"\n"


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""

    def send(self, data):
        self.sock.sendall(data)
        return self

    def fill(self):
        data = self.sock.recv(65536)
        self.buf += data
        return bool(data)

    def answer(self, body=True):
        """The status and the body of the next response."""
        while b"\r\n\r\n" not in self.buf:
            assert self.fill(), "closed in the middle of a head: %r" % self.buf
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        fields = {k.strip().lower(): v.strip() for k, v in (line.split(b":", 1) for line in lines[1:])}
        length = int(fields[b"content-length"]) if body else 0
        while len(self.buf) < length:
            assert self.fill(), "closed in the middle of a body"
        content, self.buf = self.buf[:length], self.buf[length:]
        return int(lines[0].split()[1]), content

    def ok(self, count=1):
        for _ in range(count):
            status, content = self.answer()
            assert status == 200, status
            assert content == BODY, "wrong body (%d bytes)" % len(content)
        return self

    def ended(self):
        assert not self.buf, "more than was asked for: %r" % self.buf[:100]
        assert not self.fill(), "still open: %r" % self.buf[:100]

    def still_open(self):
        self.send(GET).ok()
        self.sock.close()


def check_simple(connect):
    connect().send(GET).ok().send(GET).ok().still_open()


def check_split(connect):
    client = connect()
    for i in range(len(GET)):
        client.send(GET[i : i + 1])
        time.sleep(0.001)
    client.ok().still_open()


def check_pipelined(connect):
    connect().send(GET * 20).ok(20).still_open()
    # A head that straddles two reads, behind complete ones.
    client = connect().send(GET * 3 + GET[:10])
    client.ok(3)
    client.send(GET[10:]).ok().still_open()
    # More than the input buffer holds.
    client = connect()
    sender = threading.Thread(target=client.send, args=(GET * 200,))
    sender.start()
    client.ok(200)
    sender.join()
    client.still_open()


def check_keep_alive(connect):
    connect().send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").ok().ended()
    connect().send(b"GET / HTTP/1.1\r\nconnection: foo , CLOSE\r\n\r\n").ok().ended()
    connect().send(b"GET / HTTP/1.0\r\n\r\n").ok().ended()
    connect().send(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").ok().still_open()


def check_bodies(connect):
    post = b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    connect().send(post + GET).ok(2).still_open()
    big = b"POST /x HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"z" * 100000
    connect().send(big + post).ok(2).still_open()
    client = connect().send(post[:-3])
    client.ok()
    client.send(post[-3:] + GET).ok().still_open()
    client = connect().send(b"HEAD / HTTP/1.1\r\n\r\n")
    assert client.answer(body=False) == (200, b"")
    client.still_open()


def check_refusals(connect):
    for data, status in (
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (b"GET /" + b"x" * (2048 - 5), 431),
    ):
        client = connect().send(data)
        got = client.answer()[0]
        assert got == status, "%r: %d instead of %d" % (data[:40], got, status)
        client.ended()


def check_slow_reader(connect):
    """A client that does not read must not hold up the others."""
    slow = connect().send(GET * 40)
    time.sleep(0.1)
    check_simple(connect)
    slow.ok(40).still_open()


def check_many(connect):
    clients = [connect() for _ in range(200)]
    for client in clients:
        client.send(GET)
    for client in clients:
        client.ok()
    for client in clients[::2]:
        client.sock.close()
    for client in clients[1::2]:
        client.still_open()


def main():
    arguments = sys.argv[1:]
    env = dict(os.environ)
    if arguments[:1] == ["--preload"]:
        env["LD_PRELOAD"] = arguments[1]
        arguments = arguments[2:]
    server = subprocess.Popen(
        arguments + ["-p", "0", "-q", str(BODY_SIZE)], stdout=subprocess.PIPE, env=env, text=True
    )
    try:
        first = server.stdout.readline()
        assert first.startswith("listening on "), repr(first)
        port = int(first.split()[2])
        for name, check in sorted(globals().items()):
            if name.startswith("check_"):
                print(name, flush=True)
                check(lambda: Client(port))
                assert server.poll() is None, "the server ended: %s" % server.returncode
        idle = Client(port).send(GET).ok()  # a connection that is open must not keep the server from ending
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0, "exit status %d after SIGTERM" % server.returncode
        idle.ended()
    finally:
        server.kill()
        server.wait()
    print("ok")


BODY = expected_body(BODY_SIZE)
main()
