package tidegate.demo;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLongArray;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A topic with a long history: made, written, and read from its first record on, by Kafka's own clients.
 *
 * <pre>
 *   create BROKERS            makes the topic
 *   write GATEWAY BROKERS N   writes N bytes of records, then goes on slowly until standard input ends
 *   read GATEWAY RECORDS      reads so many from the beginning
 * </pre>
 *
 * <p>Writer and reader print a line of JSON twice a second. The last one holds a hash of every record's partition,
 * offset, timestamp, key and value.
 */
public final class History {
    private static final String TOPIC = "history";
    private static final int PARTITIONS = 3;
    private static final int RECORD_BYTES = 1000;
    private static final long LINE_EVERY_NANOS = 500_000_000;
    /** Records between two pauses once the history is there: about 2 MB/s. */
    private static final int SLOWLY = 100;

    private final MessageDigest[] hashes = new MessageDigest[PARTITIONS];
    private final AtomicLongArray ends = new AtomicLongArray(PARTITIONS);
    private volatile Exception failure;
    private long records;
    private long bytes;
    private long misplaced;

    private History() throws Exception {
        for (int p = 0; p < PARTITIONS; p++) {
            hashes[p] = MessageDigest.getInstance("SHA-256");
        }
    }

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "create" -> create(args[1]);
            case "write" -> new History().write(args[1], args[2], Long.parseLong(args[3]));
            default -> new History().read(args[1], Long.parseLong(args[2]));
        }
    }

    /** Small segments, deleted at once: a demo has no hour to wait for a broker to free its disk. */
    private static void create(String brokers) throws Exception {
        try (Admin admin = Admin.create(properties(brokers))) {
            List<Integer> ids = new ArrayList<>();
            admin.describeCluster().nodes().get().forEach(node -> ids.add(node.id()));
            ids.sort(null);
            Map<Integer, List<Integer>> replicas = new HashMap<>();
            for (int p = 0; p < PARTITIONS; p++) {
                List<Integer> turned = new ArrayList<>(ids);
                java.util.Collections.rotate(turned, -p);
                replicas.put(p, turned);
            }
            NewTopic topic = new NewTopic(TOPIC, replicas)
                    .configs(Map.of("segment.bytes", "4194304", "file.delete.delay.ms", "100"));
            admin.createTopics(Set.of(topic)).all().get();
        }
    }

    private void write(String gateway, String brokers, long wanted) throws Exception {
        Properties properties = properties(gateway);
        properties.put("batch.size", "131072");
        byte[] pool = pool();
        long printed = 0;
        try (Admin admin = Admin.create(properties(brokers));
                KafkaProducer<byte[], byte[]> producer =
                        new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            while (bytes < wanted) {
                send(producer, pool);
                if (System.nanoTime() - printed > LINE_EVERY_NANOS) {
                    printed = System.nanoTime();
                    print("");
                }
            }
            producer.flush();
            String filled = ",\"filled\":" + ends;
            Thread end = endOfInput();
            while (end.isAlive()) {
                for (int n = 0; n < SLOWLY; n++) {
                    send(producer, pool);
                }
                Thread.sleep(50);
                if (System.nanoTime() - printed > LINE_EVERY_NANOS) {
                    printed = System.nanoTime();
                    print(filled + ",\"starts\":" + starts(admin));
                }
            }
            producer.flush();
            print(filled + ",\"starts\":" + starts(admin) + ",\"hash\":\"" + hash() + "\"");
        }
    }

    private static Thread endOfInput() {
        Thread thread = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (java.io.IOException e) {
                return; // The end as well.
            }
        });
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private void send(KafkaProducer<byte[], byte[]> producer, byte[] pool) throws Exception {
        if (failure != null) {
            throw failure;
        }
        int partition = (int) (records % PARTITIONS);
        byte[] key = Long.toString(records).getBytes();
        byte[] value = value(records, pool);
        long offset = records / PARTITIONS;
        long timestamp = System.currentTimeMillis();
        producer.send(new ProducerRecord<>(TOPIC, partition, timestamp, key, value), (metadata, error) -> {
            if (error == null && metadata.offset() != offset) {
                failure = new IllegalStateException("record " + offset + " was written at " + metadata.offset());
            } else if (error == null) {
                ends.set(partition, offset + 1);
            } else {
                failure = error;
            }
        });
        take(partition, offset, timestamp, key, value);
    }

    private void read(String gateway, long wanted) throws Exception {
        Properties properties = properties(gateway);
        properties.put("auto.offset.reset", "none");
        long printed = 0;
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> all = new ArrayList<>();
            for (int p = 0; p < PARTITIONS; p++) {
                all.add(new TopicPartition(TOPIC, p));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            long start = System.nanoTime();
            while (records < wanted) {
                consumer.poll(Duration.ofMillis(100)).forEach(this::take);
                if (System.nanoTime() - printed > LINE_EVERY_NANOS) {
                    printed = System.nanoTime();
                    print("");
                }
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            consumer.poll(Duration.ofMillis(300)).forEach(this::take);
            print(",\"seconds\":" + seconds + ",\"hash\":\"" + hash() + "\"");
        }
    }

    private void take(ConsumerRecord<byte[], byte[]> record) {
        int p = record.partition();
        if (record.offset() != ends.getAndIncrement(p)) {
            misplaced++;
        }
        take(p, record.offset(), record.timestamp(), record.key(), record.value());
    }

    private void take(int partition, long offset, long timestamp, byte[] key, byte[] value) {
        hashes[partition].update(ByteBuffer.allocate(16).putLong(offset).putLong(timestamp).flip());
        hashes[partition].update(key);
        hashes[partition].update(value);
        records++;
        bytes += value.length;
    }

    private String hash() throws Exception {
        MessageDigest all = MessageDigest.getInstance("SHA-256");
        Arrays.stream(hashes).forEach(one -> all.update(one.digest()));
        return HexFormat.of().formatHex(all.digest());
    }

    /** Where the brokers' own logs begin. */
    private static List<Long> starts(Admin admin) throws Exception {
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        for (int p = 0; p < PARTITIONS; p++) {
            wanted.put(new TopicPartition(TOPIC, p), OffsetSpec.earliest());
        }
        Map<TopicPartition, ListOffsetsResultInfo> found = admin.listOffsets(wanted).all().get();
        List<Long> starts = new ArrayList<>();
        for (int p = 0; p < PARTITIONS; p++) {
            starts.add(found.get(new TopicPartition(TOPIC, p)).offset());
        }
        return starts;
    }

    private void print(String more) {
        System.out.printf(
                "{\"records\":%d,\"bytes\":%d,\"misplaced\":%d%s}%n", records, bytes, misplaced, more);
        System.out.flush();
    }

    /** Letters that no one compresses away. */
    private static byte[] pool() {
        byte[] pool = new byte[1 << 20];
        SplittableRandom random = new SplittableRandom(1);
        for (int n = 0; n < pool.length; n++) {
            pool[n] = (byte) ('a' + random.nextInt(26));
        }
        return pool;
    }

    private static byte[] value(long number, byte[] pool) {
        int from = (int) (number * 7919 % (pool.length - RECORD_BYTES));
        byte[] value = Arrays.copyOfRange(pool, from, from + RECORD_BYTES);
        byte[] text = ("event " + number + " ").getBytes();
        System.arraycopy(text, 0, value, 0, text.length);
        return value;
    }

    private static Properties properties(String address) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        return properties;
    }
}
