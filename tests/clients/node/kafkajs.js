// Drives kafkajs; see ../README.md.
'use strict'

const { Kafka, logLevel } = require('kafkajs')
const { parse, Output, whenStdinCloses, pace } = require('./protocol.js')

const BATCH = 500 // records a call of send, when no rate is asked for

async function main() {
  const options = parse()
  const output = new Output(options.each)
  const kafka = new Kafka({
    brokers: options.bootstrap,
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => watch(entry, output),
    ...(options.clientId && { clientId: options.clientId }),
  })
  await { consume, produce }[options.verb](kafka, options, output)
  output.end()
  process.exit(0)
}

/** The client's log is where it says that its position was out of range, and what else went wrong. */
function watch({ level, log }, output) {
  // KAFKAJS_LOG_LEVEL=DEBUG tells more.
  console.error(log.timestamp, log.message, JSON.stringify({ ...log, timestamp: undefined, message: undefined }))
  if (/out of range/i.test(`${log.message} ${log.error ?? ''}`)) output.event('reset', { message: log.message })
  else if (level <= logLevel.ERROR) output.event('error', { message: `${log.message} ${log.error ?? ''}` })
}

async function consume(kafka, options, output) {
  // There is no reading without a group: a group of its own stands for --assign.
  const groupId = options.group ?? `assign-${process.pid}-${Date.now()}`
  const consumer = kafka.consumer({ groupId, ...options.props })
  const stopped = new Promise((resolve) => {
    whenStdinCloses(resolve)
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      output.event('assigned', { partitions: payload.memberAssignment[options.topic] ?? [] })
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => output.event('error', { message: String(payload.error) }))
    start(consumer, options, output, resolve).catch((error) => fail(error))
  })
  await stopped
  await consumer.disconnect()
}

async function start(consumer, options, output, stop) {
  await consumer.connect()
  await consumer.subscribe({ topic: options.topic, fromBeginning: options.from === 'earliest' })
  output.event('ready')
  await consumer.run({
    eachBatch: async ({ batch, resolveOffset }) => {
      for (const { offset, key, value } of batch.messages) {
        output.record(batch.partition, Number(offset), key, (key?.length ?? 0) + (value?.length ?? 0))
        resolveOffset(offset)
      }
      output.flush()
      if (options.untilCount && output.total >= options.untilCount) stop()
    },
  })
}

async function produce(kafka, options, output) {
  const producer = kafka.producer({
    createPartitioner: () => ({ message }) => message.partition,
    ...options.props,
  })
  let stopped = false
  whenStdinCloses(() => (stopped = true))
  await producer.connect()
  output.event('ready')
  const started = Date.now()
  const endless = options.count === 0
  for (let number = 0; !stopped && (endless || number < options.count); ) {
    const most = options.rate ? Math.max(1, Math.floor(options.rate / 50)) : BATCH
    const count = endless ? most : Math.min(most, options.count - number)
    await pace(started, number, options.rate)
    await send(producer, options, output, number, count)
    number += count
  }
  await producer.disconnect()
}

async function send(producer, options, output, first, count) {
  const value = Buffer.alloc(options.size)
  const messages = Array.from({ length: count }, (_, i) => ({
    partition: options.partitions[(first + i) % options.partitions.length],
    key: `${options.keyPrefix}${first + i}`,
    value,
  }))
  const acks = options.acks === 'all' ? -1 : Number(options.acks)
  try {
    acknowledged(await producer.send({ topic: options.topic, messages, acks }), messages, output)
  } catch (error) {
    for (const { key } of messages) output.event('error', { message: `key ${key}: ${error}` })
  }
}

/** The client answers with each partition's first offset; its records follow in the order given. */
function acknowledged(answers, messages, output) {
  for (const { partition, baseOffset } of answers ?? []) {
    let offset = Number(baseOffset)
    for (const { key, value } of messages.filter((message) => message.partition === partition)) {
      output.record(partition, offset++, key, key.length + value.length)
    }
  }
  output.flush()
}

function fail(error) {
  process.stderr.write(`${error.stack}\n`)
  process.exit(2)
}

main().catch(fail)
