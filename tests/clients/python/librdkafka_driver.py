"""Drives librdkafka through confluent-kafka; see ../README.md."""

import logging
import time

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

import admin
import protocol
import transactions

CALL_LIMIT_S = 60


def main():
    options = protocol.parse()
    output = protocol.Output(options)
    stopped = protocol.until_stdin_closes()
    {"consume": consume, "produce": produce, "admin": administer}[options.verb](options, output, stopped)
    output.end()


def consume(options, output, stopped):
    settings = {
        "group.id": options.group or "unused",  # the library wants one even without a group
        "auto.offset.reset": options.start,
        **({"isolation.level": options.isolation} if options.isolation else {}),
        **({"group.protocol": options.group_protocol} if options.group_protocol else {}),
        **common(options, output),
    }
    consumer = Consumer(settings, logger=reset_log(output))
    output.event("ready")
    if options.assign:
        start = OFFSET_BEGINNING if options.start == "earliest" else OFFSET_END
        consumer.assign([TopicPartition(options.topic, p, start) for p in options.partitions])
        output.event("assigned", partitions=options.partitions)
    else:
        consumer.subscribe([options.topic], on_assign=teller(output, "assigned"), on_revoke=teller(output, "revoked"))
    while not stopped.is_set() and not (options.until_count and output.total >= options.until_count):
        deliver(consumer.consume(1000, timeout=0.1), output)
    consumer.close()


def deliver(messages, output):
    for m in messages:
        if m.error():
            reset = m.error().code() == KafkaError._AUTO_OFFSET_RESET
            output.event("reset" if reset else "error", message=str(m.error()))
        else:
            output.record(m.partition(), m.offset(), m.key(), protocol.size_of(m.key(), m.value()))
    output.flush()


def teller(output, event):
    return lambda _, partitions: output.event(event, partitions=sorted(p.partition for p in partitions))


def reset_log(output):
    logger = logging.getLogger("librdkafka")
    logger.setLevel(logging.INFO)
    logger.addHandler(protocol.ResetWatch(output, "offset reset", "out of range"))
    return logger


def produce(options, output, stopped):
    if options.transactional_id:
        return transactions.write(options, output, stopped, Transactor(options, output))
    producer = Producer(writing(options, output))
    output.event("ready")
    protocol.flush_often(output)
    started = time.monotonic()
    for number, partition, key, value in protocol.numbered(options):
        if wait_until_due(producer, stopped, started, number, options.rate):
            break
        enqueue(producer, options.topic, partition, key, value, lambda e, m: acknowledged(e, m, output))
    producer.flush()


def writing(options, output):
    settings = {"acks": options.acks}
    if options.idempotent:
        settings["enable.idempotence"] = True
    if options.transactional_id:
        settings["transactional.id"] = options.transactional_id
    return {**settings, **common(options, output)}


class Transactor:
    def __init__(self, options, output):
        self._options = options
        self._output = output
        self._open()
        output.event("ready")

    def _open(self):
        self._producer = Producer(writing(self._options, self._output))
        patiently(lambda: self._producer.init_transactions(CALL_LIMIT_S))

    def begin(self):
        self._acknowledged, self._error = [], None
        self._producer.begin_transaction()

    def send(self, number):
        partition, key, value = protocol.record(self._options, number)
        enqueue(self._producer, self._options.topic, partition, key, value, self._delivered)
        self._producer.poll(0)

    def _delivered(self, error, message):
        self._error = self._error or error
        size = protocol.size_of(message.key(), message.value())
        self._acknowledged.append((message.partition(), message.offset(), message.key(), size))

    def flush(self):
        self._producer.flush()
        if self._error:
            raise KafkaException(self._error)
        return self._acknowledged

    def end(self, commit):
        end = self._producer.commit_transaction if commit else self._producer.abort_transaction
        patiently(lambda: end(CALL_LIMIT_S))

    def recover(self):
        """Aborts; a producer that can't even do that is replaced: the new one's first act is to fence the old."""
        try:
            self.end(commit=False)
        except KafkaException:
            self._open()


def patiently(call):
    """What the library calls retriable is still under way, and may only be asked for again."""
    while True:
        try:
            return call()
        except KafkaException as error:
            if not error.args[0].retriable():
                raise


def wait_until_due(producer, stopped, started, number, rate):
    """Serves acknowledgements while waiting; true when standard input closed."""
    while wait := protocol.seconds_until_due(started, number, rate):
        producer.poll(min(wait, 0.1))
        if stopped.is_set():
            return True
    producer.poll(0)
    return stopped.is_set()


def enqueue(producer, topic, partition, key, value, delivered):
    while True:
        try:
            return producer.produce(topic, value, key, partition, on_delivery=delivered)
        except BufferError:  # the library's queue is full: serve acknowledgements, then try again
            producer.poll(0.1)


def acknowledged(error, message, output):
    if error:
        output.event("error", message=f"key {message.key().decode()}: {error}")
    else:
        size = protocol.size_of(message.key(), message.value())
        output.record(message.partition(), message.offset(), message.key(), size)


def common(options, output):
    named = {"client.id": options.client_id} if options.client_id else {}
    return {
        "bootstrap.servers": options.bootstrap,
        "error_cb": lambda error: output.event("error", message=str(error)),
        **named,
        **security(options),
        **options.props,
    }


def security(options):
    named = {"security.protocol": protocol.protocol_name(options)}
    if options.tls_ca:
        named["ssl.ca.location"] = options.tls_ca
    if options.tls_cert:
        named |= {"ssl.certificate.location": options.tls_cert, "ssl.key.location": options.tls_key}
    if options.scram:
        named |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": options.scram}
        named["sasl.password"] = protocol.password()
    return named


def administer(options, output, _):
    client = AdminClient(common(options, output))
    output.event("ready")
    admin.run(options, output, Admin(client))


class Admin:
    def __init__(self, client):
        self._client = client

    def create_topic(self, topic, partitions, replication):
        self._client.create_topics([NewTopic(topic, partitions, replication)])[topic].result()

    def list_topics(self):
        return list(self._client.list_topics(timeout=CALL_LIMIT_S).topics)

    def describe_topic(self, topic):
        seen = self._client.describe_topics(TopicCollection([topic]))[topic].result()
        return [(p.leader.id if p.leader else -1, len(p.replicas)) for p in seen.partitions]

    def create_partitions(self, topic, total):
        self._client.create_partitions([NewPartitions(topic, total)])[topic].result()

    def describe_configs(self, topic):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entries = self._client.describe_configs([resource])[resource].result()
        return {name: entry.value for name, entry in entries.items()}

    def alter_configs(self, topic, name, value):
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        self._client.incremental_alter_configs([resource])[resource].result()

    def list_groups(self):
        listed = self._client.list_consumer_groups().result()
        if listed.errors:
            raise listed.errors[0]

    def brokers(self):
        return len(self._client.describe_cluster().result().nodes)

    def delete_topic(self, topic):
        self._client.delete_topics([topic])[topic].result()


main()
