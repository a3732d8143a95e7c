package tidegate;

import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/**
 * A Streams application, exactly once: numbers come in as keys, and each adds one to the count of its kind, its
 * remainder by 16. Every count goes out at once, keyed "KIND COUNT", to the partition of its kind: so what comes out
 * of a kind is 1, 2, 3, ..., or records were lost or counted twice.
 *
 * <p>Arguments: bootstrap servers, state folder, client id. Says on standard output {"state": "RUNNING"} and the like,
 * and {"restored": N} when N records were read back from the store's changelog. Ends when standard input does.
 */
public final class Counting {
    private static final int KINDS = 16;

    private Counting() {}

    public static void main(String[] args) throws Exception {
        Running.run(() -> new KafkaStreams(topology(), props(args[0], args[1], args[2])), streams -> {});
    }

    private static Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream("numbers", Consumed.with(Serdes.String(), Serdes.String()))
                .selectKey((number, value) -> Long.toString(Long.parseLong(number) % KINDS))
                .groupByKey(Grouped.as("kinds"))
                .count(Materialized.as("counts"))
                .toStream()
                .map((kind, count) -> KeyValue.pair(kind + " " + count, ""))
                .to("counted", Produced.with(Serdes.String(), Serdes.String())
                        .withStreamPartitioner((topic, key, value, n) -> Optional.of(Set.of(kind(key) % n))));
        return builder.build();
    }

    private static int kind(String key) {
        return Integer.parseInt(key.substring(0, key.indexOf(' ')));
    }

    private static Properties props(String bootstrap, String state, String client) {
        Properties props = new Properties();
        props.put(StreamsConfig.APPLICATION_ID_CONFIG, "counting");
        props.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        props.put(StreamsConfig.STATE_DIR_CONFIG, state);
        props.put(StreamsConfig.CLIENT_ID_CONFIG, client);
        props.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        props.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        props.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        // Every count goes out, not only the last before a commit.
        props.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        // A member that was killed is missed after 6 s, not 45: brokers allow no less.
        props.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
        props.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 1000);
        return props;
    }
}
