// The command line and the output that all drivers share; see ../README.md.
'use strict'

const { parseArgs } = require('node:util')

const CLOSE_LIMIT_MS = 10_000

/** Reads the command line; `verb` is consume or produce. */
function parse() {
  const text = (value) => (value === undefined ? { type: 'string' } : { type: 'string', default: value })
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      bootstrap: text(), topic: text(), group: text(), partitions: text(''), from: text('earliest'),
      'until-count': text('0'), 'client-id': text(), props: text('{}'), count: text('0'), size: text('100'),
      rate: text('0'), acks: text('all'), 'key-prefix': text(''), assign: { type: 'boolean' }, each: { type: 'boolean' },
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
  }
}

/** Writes the protocol's lines. */
class Output {
  constructor(each) {
    this.each = each
    this.runs = new Map()
    this.total = 0
  }

  /** Notes one record; it is written by the next flush, or before if the offsets jump. */
  record(p, o, key, bytes) {
    this.total += 1
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
  }

  /** Writes an event, after the records before it. */
  event(name, fields = {}) {
    this.flush()
    this.line({ event: name, ...fields })
  }

  end() {
    this.event('end', { n: this.total })
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
    setTimeout(() => process.exit(3), CLOSE_LIMIT_MS).unref()
    then()
  })
  process.stdin.resume()
}

/** Waits until record `number` is due at `rate` a second (0: not at all). */
async function pace(started, number, rate) {
  const wait = rate ? started + (number / rate) * 1000 - Date.now() : 0
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
}

module.exports = { parse, Output, whenStdinCloses, pace }
