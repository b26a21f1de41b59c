# SPDX-License-Identifier: MIT
"""The .gor format as refrain-file(5) and gor's reader have it, written again on its own: so that
refrain's files are not judged by refrain's code."""
import collections
import gzip
import zlib

from harness import Failure, read_bytes

SEPARATOR = b"\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n"

Record = collections.namedtuple("Record", "type id ts latency src dst payload header")


def make(payload, ts, kind=1, id_="0" * 24, latency=0, fields=4, separator=SEPARATOR):
    """A record as gor writes it: three or four header fields, no length."""
    words = [str(kind), id_, str(ts), str(latency)][:fields]
    return " ".join(words).encode() + b"\n" + payload + separator


def request(path="/", host="recorded.example", method="GET", headers=(), body=b"", version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def load(path):
    data = read_bytes(path)
    return gzip.decompress(data) if path.endswith(".gz") and data else data


def parse(data):
    """All records, strictly: every byte must belong to one, lengths and CRC32 must be right."""
    records, at = [], 0
    while at < len(data):
        end = data.index(b"\n", at)
        words = data[at:end].decode().split(" ")
        if len(words) not in (8, 9): # the ninth: which message of a relay's it is
            raise Failure(f"record {len(records)}: {len(words)} header fields instead of 8: {words}")
        kind, id_, ts, latency, length, crc, src, dst = words[:8]
        payload = data[end + 1:end + 1 + int(length)]
        if len(payload) != int(length):
            raise Failure(f"record {len(records)}: LENGTH {length} beyond the end of the file")
        if f"{zlib.crc32(payload):08x}" != crc:
            raise Failure(f"record {len(records)}: CRC32 {crc} is wrong")
        at = end + 1 + int(length)
        if data[at:at + len(SEPARATOR)] != SEPARATOR:
            raise Failure(f"record {len(records)}: no separator after LENGTH bytes")
        at += len(SEPARATOR)
        if len(id_) != 24 or not set(id_) <= set("0123456789abcdef"):
            raise Failure(f"record {len(records)}: id {id_}")
        records.append(Record(int(kind), id_, int(ts), int(latency), src, dst, payload,
                              " ".join(words)))
    return records


def salvage(data):
    """The header words and payload of every whole record, passing over what a kill left torn."""
    found, at = [], 0
    while at < len(data):
        end = data.find(b"\n", at)
        words = data[at:end].decode(errors="replace").split(" ") if end > at else []
        if len(words) in (8, 9) and words[4].isdigit():
            stop = end + 1 + int(words[4])
            payload = data[end + 1:stop]
            if f"{zlib.crc32(payload):08x}" == words[5] and \
                    SEPARATOR.startswith(data[stop:stop + len(SEPARATOR)]):
                found.append((words, payload))
                at = stop + len(SEPARATOR)
                continue
        next_ = data.find(SEPARATOR[1:], at)
        if next_ == -1:
            break
        at = next_ + len(SEPARATOR) - 1
    return found


def parse_as_gor(data):
    """(type, id, ts, payload) of each record by the rules of gor's own reader: lines up to one that
    is just the monkeys; the first line needs three fields."""
    found, current = [], []
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n") or line != SEPARATOR[1:]:
            current.append(line)
            continue
        record = b"".join(current)[:-1]
        current = []
        head, _, payload = record.partition(b"\n")
        words = head.split(b" ")
        if len(words) >= 3 and payload:
            found.append((int(words[0]), words[1].decode(), int(words[2]), payload))
    return found


def read(path):
    return parse(load(path))


def requests(records):
    return [r for r in records if r.type == 1]
