package tidegate;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * One consumer: a thread polls, records and events queue up in the order they happened, and work that needs
 * the consumer (which belongs to one thread) runs between polls.
 */
final class Consuming implements ConsumerRebalanceListener {
    interface Work { Object with(KafkaConsumer<byte[], byte[]> consumer) throws Exception; }

    /** Polling stops while so many records wait to be taken. */
    private static final int QUEUE_MAX = 1_000_000;
    /** What leaving the group may take where nobody answers any more. */
    private static final Duration CLOSE_MAX = Duration.ofSeconds(3);

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final LinkedBlockingQueue<Object> queue = new LinkedBlockingQueue<>(QUEUE_MAX);
    private final ConcurrentLinkedQueue<Runnable> work = new ConcurrentLinkedQueue<>();
    private final Thread thread = new Thread(this::poll);
    private final long pauseMs;
    private volatile boolean closing;

    /** Polls that brought records are followed by a pause, for a reader that has something to do with them. */
    Consuming(KafkaConsumer<byte[], byte[]> consumer, long pauseMs) {
        this.consumer = consumer;
        this.pauseMs = pauseMs;
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    private void poll() {
        try {
            while (!closing) {
                for (Runnable next = work.poll(); next != null; next = work.poll()) {
                    next.run();
                }
                pollOnce();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            consumer.close(CloseOptions.timeout(CLOSE_MAX));
        }
    }

    private void pollOnce() throws InterruptedException {
        try {
            ConsumerRecords<byte[], byte[]> polled = consumer.poll(Duration.ofMillis(100));
            for (ConsumerRecord<byte[], byte[]> record : polled) {
                queue.put(List.of(record.partition(), record.offset(), text(record.key()), size(record.value())));
            }
            if (!polled.isEmpty()) {
                Thread.sleep(pauseMs);
            }
        } catch (org.apache.kafka.common.KafkaException e) {
            Map<String, Object> event = new LinkedHashMap<>(Errors.describe(e));
            event.put("event", "error");
            queue.put(event);
            // Some errors come back at every poll; a test that looks will see the first.
            Thread.sleep(100);
        }
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "" : new String(bytes);
    }

    private static int size(byte[] bytes) {
        return bytes == null ? -1 : bytes.length;
    }

    /** Up to max entries; waits at most waitMs for the first. */
    List<Object> take(int max, long waitMs) throws InterruptedException {
        List<Object> taken = new ArrayList<>();
        Object first = queue.poll(waitMs, TimeUnit.MILLISECONDS);
        if (first != null) {
            taken.add(first);
            queue.drainTo(taken, max - 1);
        }
        return taken;
    }

    Object inPoll(Work task) throws Exception {
        CompletableFuture<Object> done = new CompletableFuture<>();
        work.add(() -> {
            try {
                done.complete(task.with(consumer));
            } catch (Exception e) {
                done.completeExceptionally(e);
            }
        });
        return done.get(60, TimeUnit.SECONDS);
    }

    void close() throws InterruptedException {
        closing = true;
        // A full queue must not keep the thread from seeing that it is over.
        queue.clear();
        thread.join(60_000);
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        event("assigned", partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        event("revoked", partitions);
    }

    private void event(String what, Collection<TopicPartition> partitions) {
        queue.add(Map.of("event", what, "partitions", partitions.stream().map(TopicPartition::toString).toList()));
    }
}
