# SPDX-License-Identifier: MIT
"""A real nginx with one process, in a folder of its own; each who needs one adds its servers."""
import os

from harness import Failure, need, read_text, wait_until

CONFIG = """
daemon off;
master_process off;
{user}
pid {root}/pid;
error_log {root}/error.log;
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    client_max_body_size 0;
    keepalive_requests 1000000000;
    {http}
}}
"""


class NginxProcess:
    """http: what stands in the block http, with {root} and {names}; prefix: words in front of the
    command. It runs when this returns, with its log in access.log when http asks for one there."""

    def __init__(self, case, http, prefix=(), **names):
        need("nginx")
        self.root = case.path(f"nginx-{case.next_number()}")
        self.log = f"{self.root}/access.log"
        os.makedirs(f"{self.root}/files")
        self.prepare()
        user = "user root;" if os.geteuid() == 0 else ""
        with open(f"{self.root}/nginx.conf", "w", encoding="ascii") as f:
            f.write(CONFIG.format(root=self.root, user=user,
                                  http=http.format(root=self.root, **names)))
        self.process = case.spawn("nginx", "-p", self.root, "-c", f"{self.root}/nginx.conf", "-e",
                                  f"{self.root}/error.log", prefix=prefix)
        wait_until(self.started, lambda: f"no nginx: {read_text(self.root + '/error.log')}")

    def prepare(self):
        """Files that must be in root before it starts."""

    def started(self):
        if self.process.poll() is not None:
            raise Failure(f"nginx ended: {read_text(self.root + '/error.log')}")
        return os.path.exists(f"{self.root}/pid") and read_text(f"{self.root}/pid").strip()
