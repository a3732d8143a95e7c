"""Drives aiokafka; see ../README.md."""

import asyncio
import logging
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

import admin
import protocol
import transactions


async def main():
    options = protocol.parse()
    output = protocol.Output(options)
    logger = logging.getLogger("aiokafka")
    logger.setLevel(logging.INFO)
    logger.addHandler(protocol.ResetWatch(output, "out of range"))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    closed = protocol.until_stdin_closes(lambda: loop.call_soon_threadsafe(stopped.set))
    match options.verb:
        case "consume":
            await consume(options, output, stopped)
        case "admin":
            await administer(options, output)
        case "produce" if options.transactional_id:
            await produce_transactions(options, output, closed)
        case "produce":
            await produce(options, output, stopped)
    output.end()


async def consume(options, output, stopped):
    if options.group_protocol == "consumer":
        output.unsupported("group-protocol consumer")
    isolation = {"isolation_level": options.isolation} if options.isolation else {}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=options.bootstrap,
        group_id=options.group,
        auto_offset_reset=options.start,
        **isolation,
        **common(options),
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
    producer = new_producer(options)
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
    elif metadata := done.result():
        output.record(metadata.partition, metadata.offset, key, size)
    else:  # acks=0
        output.record(-1, -1, key, size)


def new_producer(options):
    settings = {"acks": options.acks if options.acks == "all" else int(options.acks)}
    if options.idempotent:
        settings["enable_idempotence"] = True
    if options.transactional_id:
        settings["transactional_id"] = options.transactional_id
    return AIOKafkaProducer(bootstrap_servers=options.bootstrap, **settings, **common(options))


async def produce_transactions(options, output, closed):
    """The loop that all clients share is not asynchronous: it runs in a thread, and its calls come back here."""
    client = Transactor(options, asyncio.get_running_loop())
    await client.open()
    output.event("ready")
    await asyncio.to_thread(transactions.write, options, output, closed, client)
    await client.close()


class Transactor:
    def __init__(self, options, loop):
        self._options = options
        self._loop = loop

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def open(self):
        self._producer = new_producer(self._options)
        await self._producer.start()

    async def close(self):
        await self._producer.stop()

    def begin(self):
        self._sent = []
        self._call(self._producer.begin_transaction())

    def send(self, number):
        partition, key, value = protocol.record(self._options, number)
        sent = self._call(self._producer.send(self._options.topic, value, key=key, partition=partition))
        self._sent.append((sent, key, len(key) + len(value)))

    def flush(self):
        return self._call(self._flush())

    async def _flush(self):
        await self._producer.flush()
        acknowledged = [(await sent, key, size) for sent, key, size in self._sent]
        return [(metadata.partition, metadata.offset, key, size) for metadata, key, size in acknowledged]

    def end(self, commit):
        self._call(self._producer.commit_transaction() if commit else self._producer.abort_transaction())

    def recover(self):
        """Aborts; a producer that can't even do that is replaced: the new one's first act is to fence the old."""
        try:
            self.end(commit=False)
        except Exception:
            self._call(self._replace())

    async def _replace(self):
        old = self._producer
        await self.open()
        await old.stop()


async def administer(options, output):
    client = AIOKafkaAdminClient(bootstrap_servers=options.bootstrap, **common(options))
    await client.start()
    output.event("ready")
    await asyncio.to_thread(admin.run, options, output, Admin(client, asyncio.get_running_loop()))
    await client.close()


class Admin:
    def __init__(self, client, loop):
        self._client = client
        self._loop = loop

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def create_topic(self, topic, partitions, replication):
        answer = self._call(self._client.create_topics([NewTopic(topic, partitions, replication)]))
        raise_first(code for _, code, *_ in answer.topic_errors)

    def list_topics(self):
        return self._call(self._client.list_topics())

    def describe_topic(self, topic):
        [described] = self._call(self._client.describe_topics([topic]))
        return [(p["leader"], len(p["replicas"])) for p in described["partitions"]]

    def create_partitions(self, topic, total):
        self._call(self._client.create_partitions({topic: NewPartitions(total)}))

    def describe_configs(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        [answer] = self._call(self._client.describe_configs([resource]))
        [(code, _, _, _, entries)] = answer.resources
        raise_first([code])
        return {name: value for name, value, *_ in entries}

    def alter_configs(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        for answer in self._call(self._client.alter_configs([resource])):
            raise_first(code for code, *_ in answer.resources)

    def list_groups(self):
        self._call(self._client.list_consumer_groups())

    def brokers(self):
        return len(self._call(self._client.describe_cluster())["brokers"])

    def delete_topic(self, topic):
        answer = self._call(self._client.delete_topics([topic]))
        raise_first(code for _, code, *_ in answer.topic_error_codes)


def raise_first(codes):
    """The library hands errors out as numbers in its answers."""
    for code in codes:
        if code:
            raise for_code(code)


def common(options):
    named = {"client_id": options.client_id} if options.client_id else {}
    return {**named, **protocol.pure_python_security(options), **options.props}


asyncio.run(main())
