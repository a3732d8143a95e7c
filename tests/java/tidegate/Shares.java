package tidegate;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Share groups (KIP-932): consume a number of records, acknowledging them as they come. */
final class Shares {
    Object run(String op, JsonNode request) {
        if (!op.equals("consume")) {
            throw new IllegalArgumentException("unknown share operation: " + op);
        }
        long count = request.get("count").asLong();
        long deadline = System.nanoTime() + Props.number(request, "wait_ms", 30_000) * 1_000_000;
        List<Object> records = new ArrayList<>();
        try (KafkaShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(
                Props.of(request), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(Props.strings(request.get("topics")));
            while (records.size() < count && System.nanoTime() < deadline) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    records.add(List.of(record.partition(), record.offset()));
                }
            }
            consumer.commitSync();
        }
        return records;
    }
}
