package tidegate;

import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * A Streams application with two tables and nothing else: "table" of the topic orders.table, which is its own
 * changelog, and "global" of orders.global. Both are restored from their topics where there is no state on disk.
 *
 * <p>Arguments: bootstrap servers, state folder, client id. Says on standard output {"state": "RUNNING"} and the like,
 * {"restored": N} when N records were read back, and when standard input ends, {"held": N}: so many entries of both tables
 * together have the value that was written with their key.
 */
public final class Tables {
    private Tables() {}

    public static void main(String[] args) throws Exception {
        Properties props = props(args[0], args[1], args[2]);
        Running.run(() -> new KafkaStreams(topology(props), props),
                streams -> Running.say("{\"held\":" + (held(streams, "table") + held(streams, "global")) + "}"));
    }

    private static Topology topology(Properties props) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.table("orders.table", Consumed.with(Serdes.String(), Serdes.String()), stored("table"));
        builder.globalTable("orders.global", Consumed.with(Serdes.String(), Serdes.String()), stored("global"));
        return builder.build(props);
    }

    private static Materialized<String, String, KeyValueStore<Bytes, byte[]>> stored(String name) {
        return Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as(name)
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.String());
    }

    /** Entries whose value is the one that was written with their key: the key, filled up with letters. */
    private static long held(KafkaStreams streams, String name) {
        ReadOnlyKeyValueStore<String, String> store = streams.store(
                StoreQueryParameters.fromNameAndType(name, QueryableStoreTypes.keyValueStore()));
        long held = 0;
        try (KeyValueIterator<String, String> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<String, String> entry = all.next();
                String rest = entry.value.startsWith(entry.key) ? entry.value.substring(entry.key.length()) : "0";
                held += !rest.isEmpty() && rest.chars().allMatch(Character::isLetter) ? 1 : 0;
            }
        }
        return held;
    }

    private static Properties props(String bootstrap, String state, String client) {
        Properties props = new Properties();
        props.put(StreamsConfig.APPLICATION_ID_CONFIG, "tables");
        props.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        props.put(StreamsConfig.STATE_DIR_CONFIG, state);
        props.put(StreamsConfig.CLIENT_ID_CONFIG, client);
        // A table's topic is its changelog.
        props.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.REUSE_KTABLE_SOURCE_TOPICS);
        props.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 500);
        props.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
        props.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 1000);
        return props;
    }
}
