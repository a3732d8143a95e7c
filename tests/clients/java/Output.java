import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** Writes the protocol's lines; safe for use by several threads. */
final class Output {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final PrintStream out = System.out;
    private final boolean each;
    private final boolean placed;
    private final Map<Integer, Run> runs = new TreeMap<>();
    private long sent;
    private long total;

    /** Offsets of one partition, one after the other, that are not yet written. */
    private static final class Run {
        long from;
        long to;
        long bytes;
    }

    Output(Options options) {
        each = options.has("each");
        // Without acknowledgements nobody is told where a record stands.
        placed = !options.text("acks", "all").equals("0");
    }

    /** Notes one record; it is written by the next flush, or before if the offsets jump. */
    synchronized void record(int partition, long offset, byte[] key, long bytes) {
        total++;
        if (!placed) {
            sent++;
        } else if (each) {
            line("p", partition, "o", offset, "k", key == null ? "" : new String(key), "bytes", bytes);
        } else {
            extend(partition, offset, bytes);
        }
    }

    private void extend(int partition, long offset, long bytes) {
        Run run = runs.get(partition);
        if (run == null || run.to + 1 != offset) {
            write(partition, run);
            run = new Run();
            run.from = offset;
            runs.put(partition, run);
        }
        run.to = offset;
        run.bytes += bytes;
    }

    private void write(int partition, Run run) {
        if (run != null) {
            line("p", partition, "from", run.from, "to", run.to, "n", run.to - run.from + 1, "bytes", run.bytes);
        }
    }

    /** Writes what record has gathered. */
    synchronized void flush() {
        runs.forEach(this::write);
        runs.clear();
        if (sent > 0) {
            line("event", "sent", "n", sent);
            sent = 0;
        }
        out.flush();
    }

    /** Writes every 20 ms what was gathered: acknowledgements come one by one. */
    void flushOften() {
        Thread often = new Thread(() -> {
            while (Driver.sleep(20)) {
                flush();
            }
        });
        often.setDaemon(true);
        often.start();
    }

    /** Writes an event at once, after the records before it. */
    synchronized void event(String name, Object... fields) {
        flush();
        Object[] all = new Object[fields.length + 2];
        all[0] = "event";
        all[1] = name;
        System.arraycopy(fields, 0, all, 2, fields.length);
        line(all);
        out.flush();
    }

    void error(String message) {
        event("error", "message", message);
    }

    synchronized long total() {
        return total;
    }

    void end() {
        event("end", "n", total());
    }

    private void line(Object... fields) {
        Map<String, Object> line = new LinkedHashMap<>();
        for (int i = 0; i < fields.length; i += 2) {
            line.put((String) fields[i], fields[i + 1]);
        }
        try {
            out.println(JSON.writeValueAsString(line));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
