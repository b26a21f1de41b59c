# SPDX-License-Identifier: MIT
"""Certificates for the tests, made by the openssl command."""
import os

from harness import need, sh

CONFIG = """
[ ca ]
default_ca = own
[ own ]
database = {dir}/index.txt
new_certs_dir = {dir}
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[ any ]
commonName = supplied
"""


class Authority:
    """A CA of the test's own. cert: the file with its certificate."""

    def __init__(self, case, name="Test CA"):
        need("openssl")
        self.dir = case.path(f"ca-{case.next_number()}")
        os.mkdir(self.dir)
        self.number = 0
        self.cert, self.key = f"{self.dir}/ca.crt", f"{self.dir}/ca.key"
        self.config = f"{self.dir}/ca.conf"
        open(f"{self.dir}/index.txt", "w", encoding="ascii").close()
        with open(self.config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(dir=self.dir))
        sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
           "-nodes", "-subj", f"/CN={name}", "-days", "30", "-keyout", self.key, "-out", self.cert)

    def issue(self, names="DNS:localhost,IP:127.0.0.1", dates=()):
        """(certificate, key): their files."""
        self.number += 1
        base = f"{self.dir}/leaf-{self.number}"
        sh("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
           "-nodes", "-subj", "/CN=leaf", "-addext", f"subjectAltName={names}",
           "-keyout", f"{base}.key", "-out", f"{base}.csr")
        sh("openssl", "ca", "-batch", "-notext", "-config", self.config, "-cert", self.cert,
           "-keyfile", self.key, *(dates or ("-days", "30")), "-in", f"{base}.csr", "-out",
           f"{base}.crt")
        return f"{base}.crt", f"{base}.key"

    def expired(self):
        return self.issue(dates=("-startdate", "20200101000000Z", "-enddate", "20200201000000Z"))

    def as_system(self, where=("folder", "file")):
        """The prefix of a command that finds this CA, and no other, where the system has them: in
        a folder by its hash, or in a file."""
        folder = f"{self.dir}/system-{'-'.join(where)}"
        if not os.path.isdir(folder):
            os.mkdir(folder)
            name = sh("openssl", "x509", "-hash", "-noout", "-in", self.cert).strip()
            names = {"folder": f"{name}.0", "file": "ca-certificates.crt"}
            for place in where:
                os.link(self.cert, f"{folder}/{names[place]}")
        mount = f"mount --bind {folder} /etc/ssl/certs && exec \"$@\""
        return "unshare", "-m", "sh", "-c", mount, "sh"


def both(case, cert, key):
    """One file with certificate and key."""
    with open(cert, encoding="ascii") as c, open(key, encoding="ascii") as k:
        return case.write(f"both-{case.next_number()}.pem", c.read() + k.read())
