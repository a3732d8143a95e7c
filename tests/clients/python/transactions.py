"""Numbered records in transactions, for every client alike; see ../README.md."""

import time

import protocol

RECOVER_PAUSE_S = 0.5


def write(options, output, stopped, client):
    """Writes all that the command line asks for, with a client that has

    begin(), send(number), flush() -> acknowledgements as arguments of Output.record, end(commit), and
    recover(), which makes sure that nothing is left of a transaction that failed.
    """
    started = time.monotonic()
    first = nth = 0
    while not stopped.is_set() and (options.count == 0 or first < options.count):
        nth += 1
        most = options.commit_every
        numbers = range(first, first + most if options.count == 0 else min(first + most, options.count))
        abort = options.abort_every > 0 and nth % options.abort_every == 0
        sent = _tried(options, output, stopped, client, started, numbers, abort)
        if sent is None:
            return
        first += sent


def _tried(options, output, stopped, client, started, numbers, abort):
    """Tries until it is done: how many records this transaction had, fewer where standard input closes."""
    while True:
        sent = 0
        try:
            client.begin()
            for number in numbers:
                if stopped.wait(protocol.seconds_until_due(started, number, options.rate)):
                    break
                client.send(number)
                sent += 1
            acknowledged = client.flush()
            client.end(not abort)
        except Exception as error:  # whatever a client has to say
            output.event("retried", n=sent, message=repr(error))
            if not _recovered(output, stopped, client):
                return None
            continue
        if abort:
            output.event("aborted", n=sent)
        else:
            for record in acknowledged:
                output.record(*record)
            output.flush()
        return sent


def _recovered(output, stopped, client):
    while not stopped.is_set():
        try:
            client.recover()
            return True
        except Exception as error:
            output.event("error", message=f"recover: {error!r}")
            stopped.wait(RECOVER_PAUSE_S)
    return False
