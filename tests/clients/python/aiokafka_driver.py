"""Drives aiokafka; see ../README.md."""

import asyncio
import logging
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

import protocol


async def main():
    options = protocol.parse()
    output = protocol.Output(options.each)
    logger = logging.getLogger("aiokafka")
    logger.setLevel(logging.INFO)
    logger.addHandler(protocol.ResetWatch(output, "out of range"))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    protocol.until_stdin_closes(lambda: loop.call_soon_threadsafe(stopped.set))
    await (consume if options.verb == "consume" else produce)(options, output, stopped)
    output.end()


async def consume(options, output, stopped):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=options.bootstrap, group_id=options.group, auto_offset_reset=options.start, **common(options)
    )
    await consumer.start()
    output.event("ready")
    if options.assign:
        consumer.assign([TopicPartition(options.topic, p) for p in options.partitions])
        output.event("assigned", partitions=options.partitions)
    else:
        consumer.subscribe([options.topic], listener=Listener(output))
    while not stopped.is_set() and not (options.until_count and output.total >= options.until_count):
        await poll(consumer, output)
    await consumer.stop()


async def poll(consumer, output):
    try:
        batches = await consumer.getmany(timeout_ms=200)
    except KafkaError as error:
        return output.event("error", message=repr(error))
    for records in batches.values():
        for r in records:
            output.record(r.partition, r.offset, r.key, protocol.size_of(r.key, r.value))
    output.flush()


class Listener(ConsumerRebalanceListener):
    def __init__(self, output):
        self._output = output

    async def on_partitions_assigned(self, assigned):
        self._output.event("assigned", partitions=sorted(p.partition for p in assigned))

    async def on_partitions_revoked(self, revoked):
        self._output.event("revoked", partitions=sorted(p.partition for p in revoked))


async def produce(options, output, stopped):
    acks = options.acks if options.acks == "all" else int(options.acks)
    producer = AIOKafkaProducer(bootstrap_servers=options.bootstrap, acks=acks, **common(options))
    await producer.start()
    output.event("ready")
    protocol.flush_often(output)
    started = time.monotonic()
    for number, partition, key, value in protocol.numbered(options):
        await asyncio.sleep(protocol.seconds_until_due(started, number, options.rate))
        if stopped.is_set():
            break
        sent = await producer.send(options.topic, value, key=key, partition=partition)
        sent.add_done_callback(lambda done, key=key, size=len(key) + len(value): acknowledged(done, key, size, output))
    await producer.stop()


def acknowledged(done, key, size, output):
    if done.exception():
        output.event("error", message=f"key {key.decode()}: {done.exception()!r}")
    else:
        output.record(done.result().partition, done.result().offset, key, size)


def common(options):
    named = {"client_id": options.client_id} if options.client_id else {}
    return {**named, **options.props}


asyncio.run(main())
