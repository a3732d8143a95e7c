// Drives kafkajs; see ../README.md.
'use strict'

const { Kafka, logLevel } = require('kafkajs')
const { administer } = require('./admin.js')
const { parse, Output, whenStdinCloses, pace, numbered, placed } = require('./protocol.js')
const { writeTransactions } = require('./transactions.js')

const BATCH = 500 // records a call of send, when no rate is asked for

async function main() {
  const options = parse()
  const output = new Output(options)
  const kafka = new Kafka({
    brokers: options.bootstrap,
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => watch(entry, output),
    ...(options.clientId && { clientId: options.clientId }),
    ...options.security,
  })
  await { consume, produce, admin }[options.verb](kafka, options, output)
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
  if (options.groupProtocol === 'consumer') output.unsupported('group-protocol consumer')
  // There is no reading without a group: a group of its own stands for --assign.
  const groupId = options.group ?? `assign-${process.pid}-${Date.now()}`
  const isolation = options.isolation && { readUncommitted: options.isolation === 'read_uncommitted' }
  const consumer = kafka.consumer({ groupId, ...isolation, ...options.props })
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
  if (options.transactionalId) return writeTransactions(() => newProducer(kafka, options), options, output)
  const producer = newProducer(kafka, options)
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

function newProducer(kafka, options) {
  return kafka.producer({
    createPartitioner: () => ({ message }) => message.partition,
    ...(options.idempotent && { idempotent: true }),
    // The library insists on one request at a time where a transaction shall be exactly once.
    ...(options.transactionalId && { transactionalId: options.transactionalId, idempotent: true, maxInFlightRequests: 1 }),
    ...options.props,
  })
}

async function send(producer, options, output, first, count) {
  const messages = numbered(options, first, count)
  const acks = options.acks === 'all' ? -1 : Number(options.acks)
  try {
    acknowledged(await producer.send({ topic: options.topic, messages, acks }), messages, output)
  } catch (error) {
    for (const { key } of messages) output.event('error', { message: `key ${key}: ${error}` })
  }
}

/** Without acknowledgements the answers say nothing of places. */
function acknowledged(answers, messages, output) {
  const records = output.placed ? placed(answers, messages) : messages.map((m) => [m.partition, -1, m.key, 0])
  for (const record of records) output.record(...record)
  output.flush()
}

async function admin(kafka, options, output) {
  const client = kafka.admin(options.props)
  await client.connect()
  output.event('ready')
  await administer(client, options, output)
  await client.disconnect()
}

function fail(error) {
  process.stderr.write(`${error.stack}\n`)
  process.exit(2)
}

main().catch(fail)
