"""The script that every client's admin API is put through; see ../README.md."""

import time

VISIBLE_LIMIT_S = 30
VISIBLE_PAUSE_S = 0.1
RETENTION, RETENTION_MS = "retention.ms", "3600000"


class Unsupported(Exception):
    """The client's library has no way of doing a step."""


class Wrong(Exception):
    """The cluster doesn't show what it was asked for."""


def run(options, output, client):
    """Puts a client through it that has

    create_topic(topic, partitions, replication), list_topics() -> names, describe_topic(topic) -> [(leader, replicas)],
    create_partitions(topic, total), describe_configs(topic) -> by name, alter_configs(topic, name, value),
    list_groups(), brokers() -> how many, delete_topic(topic).
    """
    script = _Script(options, client)
    for op in (
        "create_topic", "list_topics", "describe_topic", "create_partitions", "describe_configs", "alter_configs",
        "list_groups", "describe_cluster", "delete_topic",
    ):  # fmt: skip
        _tell(output, op, getattr(script, op))


class _Script:
    def __init__(self, options, client):
        self._topic = options.topic
        self._replication = options.replication
        self._client = client

    def create_topic(self):
        self._client.create_topic(self._topic, 2, self._replication)

    def list_topics(self):
        _eventually(lambda: self._listed(True))

    def describe_topic(self):
        _eventually(lambda: self._described(2))

    def create_partitions(self):
        self._client.create_partitions(self._topic, 3)
        _eventually(lambda: self._described(3))

    def describe_configs(self):
        _eventually(lambda: self._retention(lambda value: value is not None))

    def alter_configs(self):
        self._client.alter_configs(self._topic, RETENTION, RETENTION_MS)
        _eventually(lambda: self._retention(lambda value: value == RETENTION_MS))

    def list_groups(self):
        self._client.list_groups()

    def describe_cluster(self):
        if self._client.brokers() < 1:
            raise Wrong("no brokers")

    def delete_topic(self):
        self._client.delete_topic(self._topic)
        _eventually(lambda: self._listed(False))

    def _listed(self, wanted):
        if (self._topic in self._client.list_topics()) != wanted:
            raise Wrong(f"the topic is in the list: {not wanted}")

    def _described(self, partitions):
        seen = self._client.describe_topic(self._topic)
        if len(seen) != partitions or any(leader < 0 or replicas != self._replication for leader, replicas in seen):
            raise Wrong(f"not {partitions} partitions with leaders and {self._replication} replicas: {seen}")

    def _retention(self, wanted):
        value = self._client.describe_configs(self._topic).get(RETENTION)
        if not wanted(value):
            raise Wrong(f"{RETENTION} is {value}")


def _eventually(check):
    """Waits until every broker may know what the controller decided."""
    deadline = time.monotonic() + VISIBLE_LIMIT_S
    while True:
        try:
            return check()
        except Unsupported:
            raise
        except Exception:
            if time.monotonic() > deadline:
                raise
        time.sleep(VISIBLE_PAUSE_S)


def _tell(output, op, step):
    try:
        step()
        output.event("admin", op=op, ok=True, message="")
    except Unsupported:
        output.event("unsupported", what=op)
    except Exception as error:  # whatever a client has to say
        output.event("admin", op=op, ok=False, message=repr(error))
