# SPDX-License-Identifier: MIT
"""librdkafka from Python, as far as the tests need it: to make topics, and to write and read
messages in ways that refrain does not."""
import collections
import ctypes
import time

from harness import Failure, Skip

Message = collections.namedtuple("Message", "partition offset key value headers timestamp")

P, S, I32, I64 = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int64
END, BEGINNING = -1, -2
PARTITION_EOF = -191


class RawMessage(ctypes.Structure):
    _fields_ = [("err", I32), ("rkt", P), ("partition", ctypes.c_int32), ("payload", P),
                ("len", ctypes.c_size_t), ("key", P), ("key_len", ctypes.c_size_t),
                ("offset", I64), ("opaque", P)]


class RawPartition(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int32), ("err", I32), ("leader", ctypes.c_int32),
                ("n_replicas", I32), ("replicas", P), ("n_isrs", I32), ("isrs", P)]


class RawTopic(ctypes.Structure):
    _fields_ = [("topic", S), ("n", I32), ("partitions", ctypes.POINTER(RawPartition)),
                ("err", I32)]


class RawMetadata(ctypes.Structure):
    _fields_ = [("n_brokers", I32), ("brokers", P), ("n_topics", I32),
                ("topics", ctypes.POINTER(RawTopic))]


SIGNATURES = {
    "rd_kafka_conf_new": (P,),
    "rd_kafka_conf_set": (I32, P, S, S, S, ctypes.c_size_t),
    "rd_kafka_new": (P, I32, P, S, ctypes.c_size_t),
    "rd_kafka_destroy": (None, P),
    "rd_kafka_err2str": (S, I32),
    "rd_kafka_queue_new": (P, P),
    "rd_kafka_queue_destroy": (None, P),
    "rd_kafka_queue_poll": (P, P, I32),
    "rd_kafka_event_error": (I32, P),
    "rd_kafka_event_destroy": (None, P),
    "rd_kafka_event_CreateTopics_result": (P, P),
    "rd_kafka_CreateTopics_result_topics": (P, P, ctypes.POINTER(ctypes.c_size_t)),
    "rd_kafka_topic_result_error": (I32, P),
    "rd_kafka_NewTopic_new": (P, S, I32, I32, S, ctypes.c_size_t),
    "rd_kafka_NewTopic_set_config": (I32, P, S, S),
    "rd_kafka_NewTopic_destroy": (None, P),
    "rd_kafka_CreateTopics": (None, P, ctypes.POINTER(P), ctypes.c_size_t, P, P),
    "rd_kafka_topic_new": (P, P, S, P),
    "rd_kafka_topic_destroy": (None, P),
    "rd_kafka_metadata": (I32, P, I32, P, ctypes.POINTER(ctypes.POINTER(RawMetadata)), I32),
    "rd_kafka_metadata_destroy": (None, ctypes.POINTER(RawMetadata)),
    "rd_kafka_produce": (I32, P, ctypes.c_int32, I32, S, ctypes.c_size_t, S, ctypes.c_size_t, P),
    "rd_kafka_flush": (I32, P, I32),
    "rd_kafka_poll": (I32, P, I32),
    "rd_kafka_consume_start_queue": (I32, P, ctypes.c_int32, I64, P),
    "rd_kafka_consume_stop": (I32, P, ctypes.c_int32),
    "rd_kafka_consume_queue": (ctypes.POINTER(RawMessage), P, I32),
    "rd_kafka_message_destroy": (None, ctypes.POINTER(RawMessage)),
    "rd_kafka_message_timestamp": (I64, ctypes.POINTER(RawMessage), P),
    "rd_kafka_message_headers": (I32, ctypes.POINTER(RawMessage), ctypes.POINTER(P)),
    "rd_kafka_header_get_all": (I32, P, ctypes.c_size_t, ctypes.POINTER(S), ctypes.POINTER(P),
                                ctypes.POINTER(ctypes.c_size_t)),
}


def load():
    try:
        lib = ctypes.CDLL("librdkafka.so.1")
    except OSError:
        raise Skip("librdkafka is not installed") from None
    for name, (result, *arguments) in SIGNATURES.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class Client:
    """A producer (kind 0) or consumer (1) on that cluster."""

    def __init__(self, case, address, kind=0):
        self.lib = load()
        conf = self.lib.rd_kafka_conf_new()
        settings = {"bootstrap.servers": address, "message.max.bytes": "100000000",
                    "enable.partition.eof": "true" if kind else ""}
        text = ctypes.create_string_buffer(512)
        for name, value in settings.items():
            if value and self.lib.rd_kafka_conf_set(conf, name.encode(), value.encode(), text, 512):
                raise Failure(text.value.decode())
        self.rk = self.lib.rd_kafka_new(kind, conf, text, 512)
        if not self.rk:
            raise Failure(text.value.decode())
        case.on_exit(self.close)

    def close(self):
        if self.rk:
            self.lib.rd_kafka_destroy(self.rk)
            self.rk = None

    def create_topic(self, name, partitions=1, copies=1, **config):
        """config: with _ for the dots."""
        text = ctypes.create_string_buffer(512)
        topic = self.lib.rd_kafka_NewTopic_new(name.encode(), partitions, copies, text, 512)
        for key, value in config.items():
            self.lib.rd_kafka_NewTopic_set_config(topic, key.replace("_", ".").encode(),
                                                  str(value).encode())
        queue = self.lib.rd_kafka_queue_new(self.rk)
        self.lib.rd_kafka_CreateTopics(self.rk, ctypes.byref(P(topic)), 1, None, queue)
        event = self.lib.rd_kafka_queue_poll(queue, 30000)
        code = self.lib.rd_kafka_event_error(event) if event else -1
        if code == 0:
            n = ctypes.c_size_t()
            result = self.lib.rd_kafka_event_CreateTopics_result(event)
            topics = self.lib.rd_kafka_CreateTopics_result_topics(result, ctypes.byref(n))
            code = self.lib.rd_kafka_topic_result_error(ctypes.cast(topics,
                                                                    ctypes.POINTER(P))[0])
        self.lib.rd_kafka_event_destroy(event)
        self.lib.rd_kafka_NewTopic_destroy(topic)
        self.lib.rd_kafka_queue_destroy(queue)
        if code:
            raise Failure(f"topic {name}: {self.lib.rd_kafka_err2str(code).decode()}")

    def partitions(self, name):
        """(leader, how many replicas are in step) of each partition; [] while nobody tells."""
        topic = self.lib.rd_kafka_topic_new(self.rk, name.encode(), None)
        found = ctypes.POINTER(RawMetadata)()
        code = self.lib.rd_kafka_metadata(self.rk, 0, topic, ctypes.byref(found), 2000)
        self.lib.rd_kafka_topic_destroy(topic)
        if code:
            return []
        raw = found.contents.topics[0]
        told = [(p.leader, p.n_isrs) for p in sorted(raw.partitions[:raw.n], key=lambda p: p.id)]
        self.lib.rd_kafka_metadata_destroy(found)
        return told

    def produce(self, name, values, partition=0, key=None):
        """values: bytes, or None for a message without a value."""
        topic = self.lib.rd_kafka_topic_new(self.rk, name.encode(), None)
        copy = 2
        for value in values:
            if self.lib.rd_kafka_produce(topic, partition, copy, value, len(value or b""), key,
                                         len(key or b""), None):
                raise Failure("cannot produce")
            self.lib.rd_kafka_poll(self.rk, 0)
        if self.lib.rd_kafka_flush(self.rk, 20000):
            raise Failure("not everything was produced")
        self.lib.rd_kafka_topic_destroy(topic)

    def headers(self, message):
        found, out, at = P(), {}, 0
        if self.lib.rd_kafka_message_headers(message, ctypes.byref(found)):
            return out
        name, value, size = S(), P(), ctypes.c_size_t()
        while self.lib.rd_kafka_header_get_all(found, at, ctypes.byref(name), ctypes.byref(value),
                                               ctypes.byref(size)) == 0:
            out[name.value.decode()] = ctypes.string_at(value, size.value)
            at += 1
        return out

    def read(self, name, partitions=1, timeout=60):
        """All messages that are in the topic now, in their order in each partition."""
        topic = self.lib.rd_kafka_topic_new(self.rk, name.encode(), None)
        queue = self.lib.rd_kafka_queue_new(self.rk)
        for n in range(partitions):
            self.lib.rd_kafka_consume_start_queue(topic, n, BEGINNING, queue)
        found, ended = [], 0
        deadline = time.monotonic() + timeout
        while ended < partitions:
            message = self.lib.rd_kafka_consume_queue(queue, 1000)
            if time.monotonic() > deadline:
                raise Failure(f"{ended} of {partitions} partitions read to the end, "
                              f"{len(found)} messages")
            if not message:
                continue
            m = message.contents
            if m.err == PARTITION_EOF:
                ended += 1
            elif m.err == 0:
                found.append(Message(
                    m.partition, m.offset, ctypes.string_at(m.key, m.key_len) if m.key else None,
                    ctypes.string_at(m.payload, m.len) if m.payload else None,
                    self.headers(message), self.lib.rd_kafka_message_timestamp(message, None)))
            self.lib.rd_kafka_message_destroy(message)
        for n in range(partitions):
            self.lib.rd_kafka_consume_stop(topic, n)
        self.lib.rd_kafka_queue_destroy(queue)
        self.lib.rd_kafka_topic_destroy(topic)
        return found
