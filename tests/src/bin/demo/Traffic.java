package tidegate.demo;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * An ordinary application: a producer, and a consumer group in every zone, Kafka's own client library with its
 * default settings. It knows nothing of Tidegate; only the addresses it is given differ.
 *
 * <p>Arguments: topic, records, bytes a record, seconds to take, producer's address, then zone=address of every
 * consumer. Twice a second it prints, as one line of JSON, what each client's own network counters say. After
 * the line with "done":true it holds its connections until standard input ends.
 */
public final class Traffic {
    private static final int PARTITIONS_PER_BROKER = 2;

    private final String topic;
    private final long records;
    private final Map<String, Reader> readers = new TreeMap<>();
    private final AtomicLong acknowledged = new AtomicLong();
    private volatile Exception failure;

    private Traffic(String topic, long records) {
        this.topic = topic;
        this.records = records;
    }

    public static void main(String[] args) throws Exception {
        Traffic traffic = new Traffic(args[0], Long.parseLong(args[1]));
        traffic.createTopic(args[4]);
        for (String consumer : Arrays.copyOfRange(args, 5, args.length)) {
            String[] zoneAndAddress = consumer.split("=");
            traffic.read(zoneAndAddress[0], zoneAndAddress[1]);
        }
        for (Reader reader : traffic.readers.values()) {
            reader.assigned.await();
        }
        traffic.run(args[4], Integer.parseInt(args[2]), Integer.parseInt(args[3]));
    }

    /** Leaders and followers spread evenly: every zone leads a third and holds a replica of everything. */
    private void createTopic(String address) throws Exception {
        try (Admin admin = Admin.create(properties(address))) {
            List<Integer> brokers = new ArrayList<>();
            admin.describeCluster().nodes().get().forEach(node -> brokers.add(node.id()));
            brokers.sort(null);
            Map<Integer, List<Integer>> replicas = new HashMap<>();
            for (int p = 0; p < brokers.size() * PARTITIONS_PER_BROKER; p++) {
                List<Integer> turned = new ArrayList<>(brokers);
                java.util.Collections.rotate(turned, -p);
                replicas.put(p, turned);
            }
            admin.createTopics(Set.of(new NewTopic(topic, replicas))).all().get();
        }
    }

    private void read(String zone, String address) {
        Properties properties = properties(address);
        properties.put("group.id", topic + "-readers-" + zone);
        properties.put("auto.offset.reset", "earliest");
        Reader reader = new Reader(properties);
        readers.put(zone, reader);
        start(reader);
    }

    private void run(String address, int size, int seconds) throws Exception {
        KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(properties(address), new ByteArraySerializer(), new ByteArraySerializer());
        start(() -> write(producer, size, seconds));
        while (!isDone()) {
            if (failure != null) {
                throw failure;
            }
            print(producer, false);
            Thread.sleep(500);
        }
        print(producer, true);
        waitForEndOfInput();
        readers.values().forEach(Reader::close);
        producer.close();
    }

    private static void waitForEndOfInput() throws IOException {
        while (System.in.read() >= 0) { }
    }

    private boolean isDone() {
        return acknowledged.get() == records && readers.values().stream().allMatch(r -> r.count >= records);
    }

    /** Spreads the records evenly over the time. */
    private void write(KafkaProducer<byte[], byte[]> producer, int size, int seconds) {
        long start = System.nanoTime();
        long between = TimeUnit.SECONDS.toNanos(seconds) / records;
        for (long n = 0; n < records; n++) {
            byte[] key = Long.toString(n).getBytes();
            producer.send(new ProducerRecord<>(topic, key, value(n, size)), (metadata, error) -> {
                if (error == null) {
                    acknowledged.incrementAndGet();
                } else {
                    failure = error;
                }
            });
            long early = start + n * between - System.nanoTime();
            if (early > TimeUnit.MILLISECONDS.toNanos(2)) {
                LockSupport.parkNanos(early);
            }
        }
    }

    /** Text, so that the console consumer shows something. */
    private static byte[] value(long number, int size) {
        byte[] value = new byte[size];
        Arrays.fill(value, (byte) '.');
        byte[] text = ("order " + number + " ").getBytes();
        System.arraycopy(text, 0, value, 0, text.length);
        return value;
    }

    private final class Reader implements Runnable {
        final KafkaConsumer<byte[], byte[]> consumer;
        final CountDownLatch assigned = new CountDownLatch(1);
        final Map<Integer, Long> next = new HashMap<>();
        final CountDownLatch closed = new CountDownLatch(1);
        volatile boolean closing;
        volatile long count;
        volatile long misplaced;

        Reader(Properties properties) {
            consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }

        @Override
        public void run() {
            consumer.subscribe(Set.of(topic));
            try {
                while (!closing) {
                    consumer.poll(Duration.ofMillis(100)).forEach(this::take);
                    if (!consumer.assignment().isEmpty()) {
                        assigned.countDown();
                    }
                }
            } catch (RuntimeException e) {
                failure = e;
            }
            consumer.close();
            closed.countDown();
        }

        /** Every offset must follow the one before: nothing lost, repeated or out of order. */
        private void take(ConsumerRecord<byte[], byte[]> record) {
            long expected = next.getOrDefault(record.partition(), 0L);
            if (record.offset() != expected) {
                misplaced++;
            }
            next.put(record.partition(), record.offset() + 1);
            count++;
        }

        void close() {
            closing = true;
            try {
                closed.await(10, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void print(KafkaProducer<byte[], byte[]> producer, boolean done) {
        List<String> consumers = new ArrayList<>();
        readers.forEach((zone, reader) -> consumers.add(String.format(
                "{\"zone\":\"%s\",\"records\":%d,\"misplaced\":%d,\"bytes\":%s}",
                zone, reader.count, reader.misplaced, bytesByNode(reader.consumer.metrics()))));
        System.out.printf("{\"acknowledged\":%d,\"producer\":%s,\"consumers\":[%s],\"done\":%b}%n",
                acknowledged.get(), bytesByNode(producer.metrics()), String.join(",", consumers), done);
        System.out.flush();
    }

    /** Bytes in and out on the connections to each node, as {"node-1": 4711, ...}. */
    private static String bytesByNode(Map<MetricName, ? extends Metric> metrics) {
        Map<String, Long> sums = new TreeMap<>();
        metrics.forEach((name, metric) -> {
            boolean total = name.name().equals("incoming-byte-total") || name.name().equals("outgoing-byte-total");
            if (total && name.group().endsWith("-node-metrics")) {
                sums.merge(name.tags().get("node-id"), ((Double) metric.metricValue()).longValue(), Long::sum);
            }
        });
        List<String> fields = new ArrayList<>();
        sums.forEach((node, bytes) -> fields.add("\"" + node + "\":" + bytes));
        return "{" + String.join(",", fields) + "}";
    }

    private static Properties properties(String address) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        return properties;
    }

    private static void start(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }
}
