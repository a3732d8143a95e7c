import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.TimeoutException;

/** Writes numbered records in transactions. */
final class Transactions {
    private static final long RECOVER_PAUSE_MS = 500;

    private final Options options;
    private final Output output;
    private final Produce.Numbered numbered;
    private final long count;
    private final long every;
    private final long abortEvery;
    private final long started = System.nanoTime();
    private KafkaProducer<byte[], byte[]> producer;

    Transactions(Options options, Output output) {
        this.options = options;
        this.output = output;
        numbered = new Produce.Numbered(options);
        count = options.number("count", 0);
        every = options.number("commit-every", 1);
        abortEvery = options.number("abort-every", 0);
    }

    void run() throws Exception {
        open();
        output.event("ready");
        long first = 0;
        for (long nth = 1; Driver.running() && (count == 0 || first < count); nth++) {
            long n = count == 0 ? every : Math.min(every, count - first);
            first += written(first, n, abortEvery > 0 && nth % abortEvery == 0);
        }
        producer.close();
    }

    /** Tries until it is done: how many records this transaction had, fewer where standard input closes. */
    private long written(long first, long n, boolean abort) {
        while (true) {
            List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
            try {
                List<RecordMetadata> acks = once(first, n, abort, records);
                tell(records, acks, abort);
                return records.size();
            } catch (Exception e) {
                output.event("retried", "n", records.size(), "message", e.toString());
                if (!recovered()) {
                    return n;
                }
            }
        }
    }

    private List<RecordMetadata> once(long first, long n, boolean abort, List<ProducerRecord<byte[], byte[]>> records)
            throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        producer.beginTransaction();
        for (long i = first; i < first + n && Driver.pace(started, i, options.rate()); i++) {
            records.add(numbered.record(i));
            sent.add(producer.send(records.get(records.size() - 1)));
        }
        producer.flush();
        List<RecordMetadata> acks = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) {
            acks.add(acknowledged(one));
        }
        end(abort);
        return acks;
    }

    private static RecordMetadata acknowledged(Future<RecordMetadata> sent) throws Exception {
        try {
            return sent.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception ? (Exception) e.getCause() : e;
        }
    }

    /** A commit that takes too long is still under way, and may only be asked for again. */
    private void end(boolean abort) {
        while (true) {
            try {
                if (abort) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
                return;
            } catch (TimeoutException e) {
                output.error(e.toString());
            }
        }
    }

    private void tell(List<ProducerRecord<byte[], byte[]>> records, List<RecordMetadata> acks, boolean abort) {
        if (abort) {
            output.event("aborted", "n", records.size());
            return;
        }
        for (int i = 0; i < acks.size(); i++) {
            ProducerRecord<byte[], byte[]> record = records.get(i);
            output.record(record.partition(), acks.get(i).offset(), record.key(), Produce.size(record));
        }
        output.flush();
    }

    /** Aborts; a producer that can't even do that is replaced: the new one's first act is to fence the old. */
    private boolean recovered() {
        try {
            producer.abortTransaction();
            return true;
        } catch (RuntimeException e) {
            output.error("abort: " + e);
        }
        producer.close(Duration.ZERO);
        while (Driver.running()) {
            try {
                open();
                return true;
            } catch (Exception e) {
                output.error("recover: " + e);
                Driver.sleep(RECOVER_PAUSE_MS);
            }
        }
        return false;
    }

    private void open() throws Exception {
        producer = Produce.open(options);
        while (true) {
            try {
                producer.initTransactions();
                return;
            } catch (TimeoutException e) {
                output.error(e.toString());
            } catch (RuntimeException e) {
                producer.close(Duration.ZERO);
                throw e;
            }
        }
    }
}
