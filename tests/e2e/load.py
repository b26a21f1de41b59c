#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client that sends numbered requests at an even rate, for hosts in other network namespaces:
X-Id: NAME.NUMBER, 100 on each connection, several connections in turn. Fails unless all were answered
200.

usage: load.py HOST PORT NAME REQUESTS PER_SECOND
"""
import socket
import sys
import time

CONNECTIONS = 8
PER_CONNECTION = 100


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")
        self.sent = 0

    def ask(self, name, number):
        """The status of the answer."""
        self.sent += 1
        self.socket.sendall(f"GET /{name}/{number} HTTP/1.1\r\nHost: chain.example\r\n"
                            f"User-Agent: load\r\nX-Id: {name}.{number}\r\n\r\n".encode())
        status, length = int(self.reader.readline().split()[1]), 0
        while (line := self.reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.reader.read(length)
        return status

    def close(self):
        self.reader.close()
        self.socket.close()


def main():
    host, port, name, requests, rate = sys.argv[1:]
    address, rate = (host, int(port)), float(rate)
    connections = [Connection(address) for _ in range(CONNECTIONS)]
    begun, good = time.monotonic(), 0
    for number in range(int(requests)):
        ahead = begun + number / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        n = number % CONNECTIONS
        if connections[n].sent == PER_CONNECTION:
            connections[n].close()
            connections[n] = Connection(address)
        good += connections[n].ask(name, number) == 200
    for connection in connections:
        connection.close()
    sys.exit(good != int(requests))


if __name__ == "__main__":
    main()
