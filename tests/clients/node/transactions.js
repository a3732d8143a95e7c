// Numbered records in transactions; see ../README.md.
'use strict'

const { pace, numbered, placed, whenStdinCloses } = require('./protocol.js')

const RECOVER_PAUSE_MS = 500

/** `open` makes a producer; one that can't even abort is replaced, and the new one's first act is to fence the old. */
async function writeTransactions(open, options, output) {
  const state = { open, stopped: false, started: Date.now() }
  whenStdinCloses(() => (state.stopped = true))
  await renew(state)
  output.event('ready')
  const endless = options.count === 0
  for (let first = 0, nth = 1; !state.stopped && (endless || first < options.count); nth++) {
    const most = endless ? options.commitEvery : Math.min(options.commitEvery, options.count - first)
    const abort = options.abortEvery > 0 && nth % options.abortEvery === 0
    const sent = await tried(state, options, output, first, most, abort)
    if (sent === undefined) break
    first += sent
  }
  await state.producer.disconnect()
}

async function renew(state) {
  const producer = state.open()
  await producer.connect()
  state.producer = producer
}

/** Tries until it is done: how many records this transaction had, fewer where standard input closes. */
async function tried(state, options, output, first, most, abort) {
  for (;;) {
    const attempt = { sent: 0 }
    try {
      const records = await once(state, options, attempt, first, most, abort)
      if (abort) output.event('aborted', { n: attempt.sent })
      for (const record of abort ? [] : records) output.record(...record)
      output.flush()
      return attempt.sent
    } catch (error) {
      output.event('retried', { n: attempt.sent, message: String(error) })
      if (!(await recovered(state, attempt, output))) return undefined
    }
  }
}

/** Without a rate all at once, as an application would; with one, each when it is due. */
async function once(state, options, attempt, first, most, abort) {
  attempt.transaction = await state.producer.transaction()
  const step = options.rate ? 1 : most
  const records = []
  while (attempt.sent < most && !state.stopped) {
    await pace(state.started, first + attempt.sent, options.rate)
    const messages = numbered(options, first + attempt.sent, step)
    records.push(...placed(await attempt.transaction.send({ topic: options.topic, messages }), messages))
    attempt.sent += step
  }
  await (abort ? attempt.transaction.abort() : attempt.transaction.commit())
  return records
}

async function recovered(state, attempt, output) {
  try {
    await attempt.transaction.abort()
    return true
  } catch (error) {
    output.event('error', { message: `abort: ${error}` })
  }
  await state.producer.disconnect().catch(() => {})
  while (!state.stopped) {
    try {
      await renew(state)
      return true
    } catch (error) {
      output.event('error', { message: `recover: ${error}` })
      await new Promise((resolve) => setTimeout(resolve, RECOVER_PAUSE_MS))
    }
  }
  return false
}

module.exports = { writeTransactions }
