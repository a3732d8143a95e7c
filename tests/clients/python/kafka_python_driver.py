"""Drives kafka-python; see ../README.md."""

import logging
import time

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, KafkaTimeoutError

import admin
import protocol
import transactions


def main():
    options = protocol.parse()
    output = protocol.Output(options)
    logger = logging.getLogger("kafka")
    logger.setLevel(logging.INFO)
    logger.addHandler(protocol.ResetWatch(output, "out of range"))
    stopped = protocol.until_stdin_closes()
    {"consume": consume, "produce": produce, "admin": administer}[options.verb](options, output, stopped)
    output.end()


def consume(options, output, stopped):
    if options.group_protocol == "consumer":
        output.unsupported("group-protocol consumer")
    isolation = {"isolation_level": options.isolation} if options.isolation else {}
    consumer = KafkaConsumer(
        bootstrap_servers=options.bootstrap,
        group_id=options.group,
        auto_offset_reset=options.start,
        **isolation,
        **common(options),
    )
    output.event("ready")
    if options.assign:
        consumer.assign([TopicPartition(options.topic, p) for p in options.partitions])
        output.event("assigned", partitions=options.partitions)
    else:
        consumer.subscribe([options.topic], listener=Listener(output))
    while not stopped.is_set() and not (options.until_count and output.total >= options.until_count):
        poll(consumer, output)
    consumer.close()


def poll(consumer, output):
    try:
        batches = consumer.poll(timeout_ms=200)
    except KafkaError as error:
        return output.event("error", message=repr(error))
    for records in batches.values():
        for r in records:
            output.record(r.partition, r.offset, r.key, protocol.size_of(r.key, r.value))
    output.flush()


class Listener(ConsumerRebalanceListener):
    def __init__(self, output):
        self._output = output

    def on_partitions_assigned(self, assigned):
        self._output.event("assigned", partitions=sorted(p.partition for p in assigned))

    def on_partitions_revoked(self, revoked):
        self._output.event("revoked", partitions=sorted(p.partition for p in revoked))


def produce(options, output, stopped):
    if options.transactional_id:
        return transactions.write(options, output, stopped, Transactor(options, output))
    producer = open_producer(options)
    output.event("ready")
    protocol.flush_often(output)
    started = time.monotonic()
    for number, partition, key, value in protocol.numbered(options):
        if stopped.wait(protocol.seconds_until_due(started, number, options.rate)):
            break
        sent = producer.send(options.topic, value, key=key, partition=partition)
        size = len(key) + len(value)
        sent.add_callback(lambda meta, key=key, size=size: output.record(meta.partition, meta.offset, key, size))
        sent.add_errback(lambda error, key=key: output.event("error", message=f"key {key.decode()}: {error!r}"))
    producer.flush()
    producer.close()


def open_producer(options):
    settings = {"acks": options.acks if options.acks == "all" else int(options.acks)}
    if options.idempotent:
        settings["enable_idempotence"] = True
    elif options.acks != "all":
        settings["enable_idempotence"] = False  # on by default, and refused together with fewer acknowledgements
    if options.transactional_id:
        settings["transactional_id"] = options.transactional_id
    return KafkaProducer(bootstrap_servers=options.bootstrap, **settings, **common(options))


class Transactor:
    def __init__(self, options, output):
        self._options = options
        self._open()
        output.event("ready")

    def _open(self):
        self._producer = open_producer(self._options)
        while True:
            try:
                return self._producer.init_transactions()
            except KafkaTimeoutError:  # still under way
                pass

    def begin(self):
        self._sent = []
        self._producer.begin_transaction()

    def send(self, number):
        partition, key, value = protocol.record(self._options, number)
        sent = self._producer.send(self._options.topic, value, key=key, partition=partition)
        self._sent.append((sent, key, len(key) + len(value)))

    def flush(self):
        self._producer.flush()
        acknowledged = [(sent.get(), key, size) for sent, key, size in self._sent]
        return [(metadata.partition, metadata.offset, key, size) for metadata, key, size in acknowledged]

    def end(self, commit):
        if commit:
            self._producer.commit_transaction()
        else:
            self._producer.abort_transaction()

    def recover(self):
        """Aborts; a producer that can't even do that is replaced: the new one's first act is to fence the old."""
        try:
            self.end(commit=False)
        except Exception:
            self._producer.close(timeout=0)
            self._open()


def administer(options, output, _):
    client = KafkaAdminClient(bootstrap_servers=options.bootstrap, **common(options))
    output.event("ready")
    admin.run(options, output, Admin(client))
    client.close()


class Admin:
    def __init__(self, client):
        self._client = client

    def create_topic(self, topic, partitions, replication):
        self._client.create_topics({topic: {"num_partitions": partitions, "replication_factor": replication}})

    def list_topics(self):
        return self._client.list_topics()

    def describe_topic(self, topic):
        [described] = self._client.describe_topics([topic])
        return [(p["leader_id"], len(p["replica_nodes"])) for p in described["partitions"]]

    def create_partitions(self, topic, total):
        self._client.create_partitions({topic: total})

    def describe_configs(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        described = self._client.describe_configs([resource], config_filter="all")
        return {name: entry["value"] for name, entry in described["topic"][topic].items()}

    def alter_configs(self, topic, name, value):
        self._client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})])

    def list_groups(self):
        self._client.list_groups()

    def brokers(self):
        return len(self._client.describe_cluster()["brokers"])

    def delete_topic(self, topic):
        self._client.delete_topics([topic])


def common(options):
    named = {"client_id": options.client_id} if options.client_id else {}
    return {**named, **protocol.pure_python_security(options), **options.props}


main()
