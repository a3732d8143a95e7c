package tidegate;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAccumulator;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Producers by handle. */
final class Producers {
    /** What is not acknowledged by then is given up. */
    private static final Duration CLOSE_MAX = Duration.ofSeconds(10);

    private final Map<Long, KafkaProducer<byte[], byte[]>> open = new ConcurrentHashMap<>();
    /** The longest that a record of each waited, from before it was sent to its acknowledgement, in ms. */
    private final Map<Long, LongAccumulator> waits = new ConcurrentHashMap<>();
    private final AtomicLong next = new AtomicLong();

    Object run(String op, JsonNode request) throws Exception {
        if (op.equals("open")) {
            return open(Props.of(request));
        }
        long handle = request.get("handle").asLong();
        KafkaProducer<byte[], byte[]> producer = open.get(handle);
        switch (op) {
            case "send": return send(producer, request, waits.get(handle));
            case "longest_wait_ms": return waits.get(handle).getThenReset();
            case "begin": producer.beginTransaction(); return null;
            case "send_offsets": return sendOffsets(producer, request);
            case "commit": producer.commitTransaction(); return null;
            case "abort": producer.abortTransaction(); return null;
            case "flush": producer.flush(); return null;
            case "close": open.remove(handle).close(CLOSE_MAX); return null;
            default: throw new IllegalArgumentException("unknown producer operation: " + op);
        }
    }

    private Object open(Properties props) {
        KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(props, new ByteArraySerializer(), new ByteArraySerializer());
        if (props.containsKey("transactional.id")) {
            producer.initTransactions();
        }
        long handle = next.incrementAndGet();
        open.put(handle, producer);
        waits.put(handle, new LongAccumulator(Math::max, 0));
        return handle;
    }

    /**
     * Sends "count" records keyed first, first+1, ..., with values of "size" bytes that start with the key,
     * and waits for all. The records take their timestamps from "timestamps", round and round, if that is there, and a header named "header".
     * The answer has one entry a record, in order: [partition, offset] or the error.
     */
    private static Object send(KafkaProducer<byte[], byte[]> producer, JsonNode request, LongAccumulator waits)
            throws Exception {
        String topic = request.get("topic").asText();
        long first = Props.number(request, "first", 0);
        long count = Props.number(request, "count", 1);
        int size = (int) Props.number(request, "size", 0);
        long partition = Props.number(request, "partition", -1);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (long n = first; n < first + count; n++) {
            byte[] key = Long.toString(n).getBytes();
            Integer to = partition < 0 ? null : (int) partition;
            Long time = timestamp(request.get("timestamps"), n - first);
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, to, time, key, value(key, size));
            if (request.has("header")) {
                record.headers().add(request.get("header").asText(), key);
            }
            long begun = System.nanoTime();
            sent.add(producer.send(record, (metadata, error) -> waits.accumulate((System.nanoTime() - begun) / 1_000_000)));
        }
        List<Object> acks = new ArrayList<>();
        for (Future<RecordMetadata> future : sent) {
            acks.add(ack(future));
        }
        return acks;
    }

    private static Long timestamp(JsonNode timestamps, long n) {
        return timestamps == null || timestamps.isNull() ? null : timestamps.get((int) (n % timestamps.size())).asLong();
    }

    private static byte[] value(byte[] key, int size) {
        byte[] value = new byte[Math.max(size, key.length)];
        System.arraycopy(key, 0, value, 0, key.length);
        for (int i = key.length; i < value.length; i++) {
            value[i] = (byte) ('a' + i % 26);
        }
        return value;
    }

    private static Object ack(Future<RecordMetadata> future) throws InterruptedException {
        try {
            RecordMetadata metadata = future.get();
            return List.of(metadata.partition(), metadata.offset());
        } catch (java.util.concurrent.ExecutionException e) {
            return Errors.describe(e);
        }
    }

    @SuppressWarnings("removal") // a test names the group; it has no consumer to ask
    private static Object sendOffsets(KafkaProducer<byte[], byte[]> producer, JsonNode request) {
        TopicPartition partition =
                new TopicPartition(request.get("topic").asText(), request.get("partition").asInt());
        OffsetAndMetadata offset = new OffsetAndMetadata(request.get("offset").asLong());
        producer.sendOffsetsToTransaction(Map.of(partition, offset),
                new ConsumerGroupMetadata(request.get("group").asText()));
        return null;
    }
}
