// The command line and the output that all drivers share; see ../README.md.
'use strict'

const { readFileSync } = require('node:fs')
const { parseArgs } = require('node:util')

const CLOSE_LIMIT_MS = 10_000
const EXIT_UNSUPPORTED = 3
const EXIT_STUCK = 4

/** Reads the command line; `verb` is consume, produce or admin. */
function parse() {
  const text = (value) => (value === undefined ? { type: 'string' } : { type: 'string', default: value })
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      bootstrap: text(), topic: text(), group: text(), partitions: text(''), from: text('earliest'),
      'until-count': text('0'), 'client-id': text(), props: text('{}'), count: text('0'), size: text('100'),
      rate: text('0'), acks: text('all'), 'key-prefix': text(''), assign: { type: 'boolean' }, each: { type: 'boolean' },
      idempotent: { type: 'boolean' }, 'transactional-id': text(), 'commit-every': text('1'), 'abort-every': text('0'),
      isolation: text(), 'group-protocol': text(), replication: text('1'),
      'tls-ca': text(), 'tls-cert': text(), 'tls-key': text(), scram: text(),
    },
  })
  return {
    ...values,
    verb: positionals[0],
    bootstrap: values.bootstrap.split(','),
    partitions: values.partitions.split(',').filter(Boolean).map(Number),
    untilCount: Number(values['until-count']),
    clientId: values['client-id'],
    props: JSON.parse(values.props),
    count: Number(values.count),
    size: Number(values.size),
    rate: Number(values.rate),
    keyPrefix: values['key-prefix'],
    transactionalId: values['transactional-id'],
    commitEvery: Number(values['commit-every']),
    abortEvery: Number(values['abort-every']),
    groupProtocol: values['group-protocol'],
    replication: Number(values.replication),
    security: security(values),
  }
}

/** What kafkajs calls `ssl` and `sasl`. The password comes by the environment: a command line is everybody's to read. */
function security(values) {
  const read = (path) => path && readFileSync(path, 'utf8')
  const ca = read(values['tls-ca'])
  const password = process.env.TIDEGATE_CLIENT_PASSWORD
  if (values.scram && password === undefined) throw new Error('--scram: TIDEGATE_CLIENT_PASSWORD is not set')
  return {
    ...(ca && { ssl: { ca: [ca], cert: read(values['tls-cert']), key: read(values['tls-key']) } }),
    ...(values.scram && { sasl: { mechanism: 'scram-sha-512', username: values.scram, password } }),
  }
}

/** Writes the protocol's lines. */
class Output {
  constructor({ each, acks }) {
    this.each = each
    this.placed = acks !== '0' // nobody is told where a record stands otherwise
    this.sent = 0
    this.runs = new Map()
    this.total = 0
  }

  /** Notes one record; it is written by the next flush, or before if the offsets jump. */
  record(p, o, key, bytes) {
    this.total += 1
    if (!this.placed) {
      this.sent += 1
      return
    }
    if (this.each) return this.line({ p, o, k: String(key ?? ''), bytes })
    const run = this.runs.get(p)
    if (run && run.to + 1 === o) {
      run.to = o
      run.n += 1
      run.bytes += bytes
      return
    }
    if (run) this.line(run)
    this.runs.set(p, { p, from: o, to: o, n: 1, bytes })
  }

  /** Writes what record has gathered. */
  flush() {
    for (const run of this.runs.values()) this.line(run)
    this.runs.clear()
    if (this.sent) this.line({ event: 'sent', n: this.sent })
    this.sent = 0
  }

  /** Writes an event, after the records before it. */
  event(name, fields = {}) {
    this.flush()
    this.line({ event: name, ...fields })
  }

  end() {
    this.event('end', { n: this.total })
  }

  /** Says that the library can't do what was asked for, and ends the process. */
  unsupported(what) {
    this.event('unsupported', { what })
    this.end()
    process.exit(EXIT_UNSUPPORTED)
  }

  line(value) {
    process.stdout.write(`${JSON.stringify(value)}\n`)
  }
}

/**
 * Calls `then` when standard input closes. A driver that then fails to close its client within 10 s
 * ends all the same.
 */
function whenStdinCloses(then) {
  process.stdin.on('end', () => {
    setTimeout(() => process.exit(EXIT_STUCK), CLOSE_LIMIT_MS).unref()
    then()
  })
  process.stdin.resume()
}

/** Waits until record `number` is due at `rate` a second (0: not at all). */
async function pace(started, number, rate) {
  const wait = rate ? started + (number / rate) * 1000 - Date.now() : 0
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
}

/** Records `first` and on of the command line, as kafkajs wants them. */
function numbered(options, first, count) {
  const value = Buffer.alloc(options.size)
  return Array.from({ length: count }, (_, i) => ({
    partition: options.partitions[(first + i) % options.partitions.length],
    key: `${options.keyPrefix}${first + i}`,
    value,
  }))
}

/**
 * The arguments of Output.record for what was acknowledged. The client answers with each partition's first offset; its
 * records follow in the order given.
 */
function placed(answers, messages) {
  return answers.flatMap(({ partition, baseOffset }) =>
    messages
      .filter((message) => message.partition === partition)
      .map(({ key, value }, i) => [partition, Number(baseOffset) + i, key, key.length + value.length]),
  )
}

module.exports = { parse, Output, whenStdinCloses, pace, numbered, placed }
