package tidegate;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Consumers by handle, each polling in a thread of its own. */
final class Consumers {
    private final Map<Long, Consuming> open = new ConcurrentHashMap<>();
    private final AtomicLong next = new AtomicLong();

    Object run(String op, JsonNode request) throws Exception {
        if (op.equals("open")) {
            return open(request);
        }
        long handle = request.get("handle").asLong();
        Consuming consuming = open.get(handle);
        switch (op) {
            case "take":
                return consuming.take((int) Props.number(request, "max", Integer.MAX_VALUE),
                        Props.number(request, "wait_ms", 0));
            case "commit":
                return consuming.inPoll(c -> { c.commitSync(); return null; });
            case "assignment":
                return consuming.inPoll(c -> names(c.assignment()));
            case "position":
                return consuming.inPoll(c -> c.position(partition(request)));
            case "seek":
                return consuming.inPoll(c -> { c.seek(partition(request), request.get("offset").asLong()); return null; });
            case "metric":
                return consuming.inPoll(c -> metric(c, request.get("name").asText()));
            case "close":
                open.remove(handle).close();
                return null;
            default:
                throw new IllegalArgumentException("unknown consumer operation: " + op);
        }
    }

    private Object open(JsonNode request) {
        KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(Props.of(request), new ByteArrayDeserializer(), new ByteArrayDeserializer());
        JsonNode assign = request.get("assign");
        Consuming consuming = new Consuming(consumer, Props.number(request, "pause_ms", 0));
        if (assign != null && !assign.isNull()) {
            List<TopicPartition> partitions = new ArrayList<>();
            assign.forEach(p -> partitions.add(new TopicPartition(p.get(0).asText(), p.get(1).asInt())));
            consumer.assign(partitions);
            if (Props.text(request, "from", "").equals("earliest")) {
                consumer.seekToBeginning(partitions);
            }
        } else {
            consumer.subscribe(Props.strings(request.get("topics")), consuming);
        }
        consuming.start();
        long handle = next.incrementAndGet();
        open.put(handle, consuming);
        return handle;
    }

    private static TopicPartition partition(JsonNode request) {
        return new TopicPartition(request.get("topic").asText(), request.get("partition").asInt());
    }

    private static List<String> names(Iterable<TopicPartition> partitions) {
        List<String> names = new ArrayList<>();
        partitions.forEach(p -> names.add(p.toString()));
        names.sort(null);
        return names;
    }

    /** The sum of a metric over its tags, e.g. "bytes-consumed-total" of every node. */
    private static double metric(KafkaConsumer<?, ?> consumer, String name) {
        return consumer.metrics().values().stream()
                .filter(m -> m.metricName().name().equals(name) && m.metricValue() instanceof Double)
                .mapToDouble(m -> (Double) m.metricValue()).sum();
    }
}
