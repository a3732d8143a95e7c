package tidegate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Java's Kafka clients behind JSON lines: one request a line on standard input, one answer a line on
 * standard output, in any order. One JVM serves a whole test process, because each start costs 1-2 s of CPU.
 *
 * <p>Request: {"id": 7, "do": "admin.create_topic", ...}. Answer: {"id": 7, "ok": ...} or {"id": 7,
 * "error": {"class": "TopicExistsException", "message": "..."}}. Ends when standard input does.
 */
public final class Main {
    static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = System.out;

    private final ExecutorService workers = Executors.newCachedThreadPool(Main::daemon);
    private final Admins admins = new Admins();
    private final Producers producers = new Producers();
    private final Consumers consumers = new Consumers();
    private final Shares shares = new Shares();

    public static void main(String[] args) throws Exception {
        // Anything that prints (log configuration, clients) must not break the protocol.
        System.setOut(System.err);
        Main main = new Main();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = JSON.readTree(line);
            main.workers.execute(() -> main.answer(request));
        }
        Runtime.getRuntime().halt(0);
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }

    private void answer(JsonNode request) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("id", request.get("id"));
        try {
            answer.put("ok", run(request.get("do").asText(), request));
        } catch (Throwable thrown) {
            answer.put("error", Errors.describe(thrown));
        }
        write(answer);
    }

    private Object run(String what, JsonNode request) throws Exception {
        String part = what.substring(0, what.indexOf('.'));
        String op = what.substring(what.indexOf('.') + 1);
        switch (part) {
            case "admin":
                return admins.run(op, request);
            case "producer":
                return producers.run(op, request);
            case "consumer":
                return consumers.run(op, request);
            case "share":
                return shares.run(op, request);
            default:
                throw new IllegalArgumentException("unknown part: " + what);
        }
    }

    private static void write(Object answer) {
        try {
            String line = JSON.writeValueAsString(answer);
            synchronized (OUT) {
                OUT.println(line);
                OUT.flush();
            }
        } catch (Exception e) {
            e.printStackTrace();
        }
    }
}
