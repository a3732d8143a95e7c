"""Drives librdkafka through confluent-kafka; see ../README.md."""

import logging
import time

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, Producer, TopicPartition

import protocol


def main():
    options = protocol.parse()
    output = protocol.Output(options.each)
    stopped = protocol.until_stdin_closes()
    (consume if options.verb == "consume" else produce)(options, output, stopped)
    output.end()


def consume(options, output, stopped):
    settings = {
        "group.id": options.group or "unused",  # the library wants one even without a group
        "auto.offset.reset": options.start,
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
    settings = {"acks": options.acks, **common(options, output)}
    producer = Producer(settings)
    output.event("ready")
    protocol.flush_often(output)
    started = time.monotonic()
    for number, partition, key, value in protocol.numbered(options):
        if wait_until_due(producer, stopped, started, number, options.rate):
            break
        send(producer, options.topic, partition, key, value, output)
    producer.flush()


def wait_until_due(producer, stopped, started, number, rate):
    """Serves acknowledgements while waiting; true when standard input closed."""
    while wait := protocol.seconds_until_due(started, number, rate):
        producer.poll(min(wait, 0.1))
        if stopped.is_set():
            return True
    producer.poll(0)
    return stopped.is_set()


def send(producer, topic, partition, key, value, output):
    while True:
        try:
            return producer.produce(
                topic, value, key, partition, on_delivery=lambda error, m: acknowledged(error, m, output)
            )
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
        **options.props,
    }


main()
