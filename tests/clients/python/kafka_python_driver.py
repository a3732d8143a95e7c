"""Drives kafka-python; see ../README.md."""

import logging
import time

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

import protocol


def main():
    options = protocol.parse()
    output = protocol.Output(options.each)
    logger = logging.getLogger("kafka")
    logger.setLevel(logging.INFO)
    logger.addHandler(protocol.ResetWatch(output, "out of range"))
    stopped = protocol.until_stdin_closes()
    (consume if options.verb == "consume" else produce)(options, output, stopped)
    output.end()


def consume(options, output, stopped):
    consumer = KafkaConsumer(
        bootstrap_servers=options.bootstrap, group_id=options.group, auto_offset_reset=options.start, **common(options)
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
    acks = options.acks if options.acks == "all" else int(options.acks)
    producer = KafkaProducer(bootstrap_servers=options.bootstrap, acks=acks, **common(options))
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


def common(options):
    named = {"client_id": options.client_id} if options.client_id else {}
    return {**named, **options.props}


main()
