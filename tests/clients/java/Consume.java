import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads and reports. */
final class Consume {
    private Consume() {}

    static void run(Options options, Output output) throws Exception {
        Map<String, String> own = new HashMap<>();
        own.put("auto.offset.reset", options.text("from", "earliest"));
        if (options.has("group")) {
            own.put("group.id", options.text("group", null));
        }
        if (options.has("isolation")) {
            own.put("isolation.level", options.text("isolation", null));
        }
        String protocol = options.text("group-protocol", "classic");
        if (ConsumerConfig.configNames().contains("group.protocol")) {
            own.put("group.protocol", protocol);
        } else if (!protocol.equals("classic")) {
            Driver.unsupported(output, "group-protocol " + protocol);
        }
        KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(options.client(own), new ByteArrayDeserializer(), new ByteArrayDeserializer());
        output.event("ready");
        place(consumer, options, output);
        long until = options.number("until-count", 0);
        while (Driver.running() && (until == 0 || output.total() < until)) {
            poll(consumer, output);
        }
        consumer.close();
    }

    private static void place(KafkaConsumer<byte[], byte[]> consumer, Options options, Output output) {
        if (options.has("group")) {
            consumer.subscribe(List.of(options.topic()), new Listener(output));
            return;
        }
        List<TopicPartition> partitions = new ArrayList<>();
        options.partitions().forEach(p -> partitions.add(new TopicPartition(options.topic(), p)));
        consumer.assign(partitions);
        output.event("assigned", "partitions", options.partitions());
    }

    private static void poll(KafkaConsumer<byte[], byte[]> consumer, Output output) {
        try {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                output.record(record.partition(), record.offset(), record.key(), size(record.key()) + size(record.value()));
            }
        } catch (KafkaException e) {
            output.error(e.toString());
            Driver.sleep(200);
        }
        output.flush();
    }

    private static long size(byte[] bytes) {
        return bytes == null ? 0 : bytes.length;
    }

    private static final class Listener implements ConsumerRebalanceListener {
        private final Output output;

        Listener(Output output) {
            this.output = output;
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            output.event("assigned", "partitions", numbers(partitions));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            output.event("revoked", "partitions", numbers(partitions));
        }

        private static List<Integer> numbers(Collection<TopicPartition> partitions) {
            List<Integer> numbers = new ArrayList<>();
            partitions.forEach(p -> numbers.add(p.partition()));
            return numbers;
        }
    }
}
