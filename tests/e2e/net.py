# SPDX-License-Identifier: MIT
"""Network namespaces of our own, so that nothing but this machine is ever touched."""
import os

from harness import need, need_root, sh, wait_until


class Namespaces:
    """Two namespaces joined by a veth pair: server 10.77.0.1 / fd77::1, client 10.77.0.2 / fd77::2.
    The pair keeps its offloads, so that segments larger than an MTU are seen."""

    server_address, client_address = "10.77.0.1", "10.77.0.2"
    server_address6 = "fd77::1"

    def __init__(self, case, connected=True):
        need_root()
        need("ip")
        self.server = f"refrain-s-{os.getpid()}"
        self.client = f"refrain-c-{os.getpid()}"
        for name in (self.server, self.client):
            sh("ip", "netns", "add", name)
            case.on_exit(sh, "ip", "netns", "del", name)
            sh("ip", "-n", name, "link", "set", "lo", "up")
        if connected:
            self.connect()

    def connect(self):
        sh("ip", "link", "add", "veth-s", "netns", self.server, "type", "veth", "peer", "name",
           "veth-c", "netns", self.client)
        for name, link, n in ((self.server, "veth-s", 1), (self.client, "veth-c", 2)):
            sh("ip", "-n", name, "addr", "add", f"10.77.0.{n}/24", "dev", link)
            sh("ip", "-n", name, "addr", "add", f"fd77::{n}/64", "dev", link, "nodad")
            sh("ip", "-n", name, "link", "set", link, "up")
        for name, link in ((self.server, "veth-s"), (self.client, "veth-c")):
            wait_until(lambda n=name, k=link: "state UP" in sh("ip", "-n", n, "link", "show", k),
                       f"{link} is up")

    def on_server(self):
        return ("ip", "netns", "exec", self.server)

    def on_client(self):
        return ("ip", "netns", "exec", self.client)


class Star:
    """Namespaces by name, each with an address on one common link: .inside(name) is the prefix of
    commands there, .address(name) where they are."""

    def __init__(self, case, *names):
        need_root()
        need("ip")
        self.hosts = {name: f"refrain-{name}-{os.getpid()}" for name in names}
        hub = f"refrain-hub-{os.getpid()}"
        for space in (hub, *self.hosts.values()):
            sh("ip", "netns", "add", space)
            case.on_exit(sh, "ip", "netns", "del", space)
            sh("ip", "-n", space, "link", "set", "lo", "up")
        sh("ip", "-n", hub, "link", "add", "hub", "type", "bridge")
        sh("ip", "-n", hub, "link", "set", "hub", "up")
        for n, (name, space) in enumerate(self.hosts.items(), 1):
            sh("ip", "link", "add", "eth", "netns", space, "type", "veth", "peer", "name", f"port{n}",
               "netns", hub)
            sh("ip", "-n", hub, "link", "set", f"port{n}", "master", "hub", "up")
            sh("ip", "-n", space, "addr", "add", f"{self.address(name)}/24", "dev", "eth")
            sh("ip", "-n", space, "link", "set", "eth", "up")

    def address(self, name):
        return f"10.78.0.{1 + list(self.hosts).index(name)}"

    def inside(self, name):
        return ("ip", "netns", "exec", self.hosts[name])
