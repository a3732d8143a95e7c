package tidegate;

import java.io.PrintStream;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.processor.StateRestoreListener;

/**
 * What each of the applications does beside its own: it runs until standard input ends, and says how it stands in JSON lines: {"state": S}, and
 * {"restored": N} when N records were read back from a store's changelog.
 */
final class Running implements StateRestoreListener {
    private static final PrintStream OUT = System.out;

    static {
        // Anything that prints must not break the protocol.
        System.setOut(System.err);
    }

    private Running() {}

    /** Runs what is made, and ends the process; "last" looks at it before it is closed. */
    static void run(Supplier<KafkaStreams> make, Consumer<KafkaStreams> last) throws Exception {
        KafkaStreams streams = make.get();
        streams.setStateListener((now, before) -> say("{\"state\":\"" + now + "\"}"));
        streams.setGlobalStateRestoreListener(new Running());
        streams.start();
        while (System.in.read() >= 0) {
            // Nothing is ever said: only the end counts.
        }
        last.accept(streams);
        streams.close();
        // The listener is told by another thread, which halting may overtake.
        say("{\"state\":\"" + streams.state() + "\"}");
        Runtime.getRuntime().halt(0);
    }

    static synchronized void say(String line) {
        OUT.println(line);
        OUT.flush();
    }

    @Override
    public void onRestoreStart(TopicPartition partition, String store, long start, long end) {}

    @Override
    public void onBatchRestored(TopicPartition partition, String store, long end, long count) {}

    @Override
    public void onRestoreEnd(TopicPartition partition, String store, long total) {
        say("{\"restored\":" + total + "}");
    }
}
