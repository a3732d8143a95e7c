"""The command line and the output that all drivers share; see ../README.md."""

import argparse
import json
import logging
import os
import ssl
import sys
import threading
import time

CLOSE_LIMIT_S = 10
EXIT_UNSUPPORTED = 3
EXIT_STUCK = 4
PASSWORD = "TIDEGATE_CLIENT_PASSWORD"


def parse():
    """Reads the command line; `verb` is consume, produce or admin."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["consume", "produce", "admin"])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group")
    parser.add_argument("--assign", action="store_true")
    parser.add_argument("--partitions", type=_numbers, default=[])
    parser.add_argument("--from", dest="start", choices=["earliest", "latest"], default="earliest")
    parser.add_argument("--until-count", type=int, default=0)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--client-id")
    parser.add_argument("--props", type=json.loads, default={})
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--acks", choices=["all", "1", "0"], default="all")
    parser.add_argument("--key-prefix", default="")
    parser.add_argument("--idempotent", action="store_true")
    parser.add_argument("--transactional-id")
    parser.add_argument("--commit-every", type=int, default=1)
    parser.add_argument("--abort-every", type=int, default=0)
    parser.add_argument("--isolation", choices=["read_committed", "read_uncommitted"])
    parser.add_argument("--group-protocol", choices=["classic", "consumer"])
    parser.add_argument("--replication", type=int, default=1)
    parser.add_argument("--tls-ca")
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--scram", metavar="USER")
    return parser.parse_args()


def password():
    """What belongs to --scram: a command line is everybody's to read."""
    return os.environ.get(PASSWORD) or sys.exit(f"--scram: {PASSWORD} is not set")


def protocol_name(options):
    """Kafka's security.protocol."""
    return ("SASL_" if options.scram else "") + ("SSL" if options.tls_ca else "PLAINTEXT")


def pure_python_security(options):
    """The security options that aiokafka and kafka-python have alike."""
    named = {"security_protocol": protocol_name(options)}
    if options.tls_ca:
        named["ssl_context"] = ssl.create_default_context(cafile=options.tls_ca)
    if options.tls_cert:
        named["ssl_context"].load_cert_chain(options.tls_cert, options.tls_key)
    if options.scram:
        named |= {"sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": options.scram}
        named["sasl_plain_password"] = password()
    return named


def _numbers(text):
    return [int(word) for word in text.split(",") if word]


class Output:
    """Writes the protocol's lines; safe for use by several threads."""

    def __init__(self, options):
        self.total = 0
        self._each = options.each
        self._placed = options.acks != "0"  # nobody is told where a record stands otherwise
        self._sent = 0
        self._runs = {}
        self._lock = threading.RLock()

    def record(self, partition, offset, key, size):
        """Notes one record; it is written by the next flush, or before if the offsets jump."""
        with self._lock:
            self.total += 1
            if not self._placed:
                self._sent += 1
                return None
            if self._each:
                text = (key or b"").decode()
                return self._line({"p": partition, "o": offset, "k": text, "bytes": size})
            run = self._runs.get(partition)
            if run and run["to"] + 1 == offset:
                run["to"] = offset
                run["n"] += 1
                run["bytes"] += size
                return None
            if run:
                self._line(run)
            self._runs[partition] = {"p": partition, "from": offset, "to": offset, "n": 1, "bytes": size}

    def flush(self):
        """Writes what record has gathered."""
        with self._lock:
            for run in self._runs.values():
                self._line(run)
            self._runs.clear()
            if self._sent:
                self._line({"event": "sent", "n": self._sent})
                self._sent = 0
            sys.stdout.flush()

    def event(self, name, **fields):
        """Writes an event at once, after the records before it."""
        with self._lock:
            self.flush()
            self._line({"event": name, **fields})
            sys.stdout.flush()

    def end(self):
        self.event("end", n=self.total)

    def unsupported(self, what):
        """Says that the client's library can't do what was asked for, and ends the process."""
        self.event("unsupported", what=what)
        self.end()
        os._exit(EXIT_UNSUPPORTED)

    def _line(self, value):
        sys.stdout.write(json.dumps(value, separators=(",", ":")) + "\n")


def size_of(key, value):
    return len(key or b"") + len(value or b"")


def until_stdin_closes(then=lambda: None):
    """An event that is set when standard input closes; `then` is called too, in another thread.

    A driver that then fails to close its client within 10 s ends all the same.
    """
    closed = threading.Event()

    def watch():
        while os.read(0, 4096):  # not sys.stdin: its lock, held here, would abort the interpreter's exit
            pass
        closed.set()
        then()
        time.sleep(CLOSE_LIMIT_S)
        os._exit(EXIT_STUCK)

    threading.Thread(target=watch, daemon=True).start()
    return closed


def flush_often(output):
    """Writes every 20 ms what was gathered: acknowledgements come one by one."""

    def loop():
        while True:
            time.sleep(0.02)
            output.flush()

    threading.Thread(target=loop, daemon=True).start()


def numbered(options):
    """The records to produce: (number, partition, key, value), endless with count 0."""
    number = 0
    while options.count == 0 or number < options.count:
        yield number, *record(options, number)
        number += 1


def record(options, number):
    """Record `number`: (partition, key, value)."""
    partition = options.partitions[number % len(options.partitions)]
    return partition, f"{options.key_prefix}{number}".encode(), bytes(options.size)


def seconds_until_due(started, number, rate):
    """How long record `number` has to wait at `rate` a second (0: not at all)."""
    return max(0.0, started + number / rate - time.monotonic()) if rate else 0.0


class ResetWatch(logging.Handler):
    """Finds in a client's log what it tells nobody else: that its position was out of range."""

    def __init__(self, output, *signs):
        super().__init__()
        self._output = output
        self._signs = signs

    def emit(self, entry):
        text = entry.getMessage()
        if any(sign in text.lower() for sign in self._signs):
            self._output.event("reset", message=text)
