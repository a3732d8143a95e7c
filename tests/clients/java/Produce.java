import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Writes numbered records, each for itself. */
final class Produce {
    private Produce() {}

    static void run(Options options, Output output) throws Exception {
        if (options.has("transactional-id")) {
            new Transactions(options, output).run();
            return;
        }
        KafkaProducer<byte[], byte[]> producer = open(options);
        output.event("ready");
        output.flushOften();
        long count = options.number("count", 0);
        Numbered numbered = new Numbered(options);
        long started = System.nanoTime();
        for (long n = 0; (count == 0 || n < count) && Driver.pace(started, n, options.rate()); n++) {
            ProducerRecord<byte[], byte[]> record = numbered.record(n);
            producer.send(record, (metadata, error) -> {
                if (error != null) {
                    output.error("key " + new String(record.key()) + ": " + error);
                } else {
                    output.record(metadata.partition(), metadata.offset(), record.key(), size(record));
                }
            });
        }
        producer.flush();
        producer.close();
    }

    static KafkaProducer<byte[], byte[]> open(Options options) throws Exception {
        Map<String, String> own = new HashMap<>();
        own.put("acks", options.text("acks", "all"));
        if (options.has("idempotent")) {
            own.put("enable.idempotence", "true");
        }
        if (options.has("transactional-id")) {
            own.put("transactional.id", options.text("transactional-id", null));
        }
        return new KafkaProducer<>(options.client(own), new ByteArraySerializer(), new ByteArraySerializer());
    }

    static long size(ProducerRecord<byte[], byte[]> record) {
        return record.key().length + record.value().length;
    }

    /** The records of the command line, to the partitions in turn. */
    static final class Numbered {
        private final Options options;
        private final List<Integer> partitions;
        private final byte[] value;

        Numbered(Options options) {
            this.options = options;
            partitions = options.partitions();
            value = new byte[(int) options.number("size", 100)];
        }

        ProducerRecord<byte[], byte[]> record(long n) {
            byte[] key = (options.text("key-prefix", "") + n).getBytes();
            int partition = partitions.get((int) (n % partitions.size()));
            return new ProducerRecord<>(options.topic(), partition, key, value);
        }
    }
}
