import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;

/** The command line: the verb, then flags as {@code --name value} or {@code --name=value}. */
final class Options {
    private static final Set<String> SWITCHES = Set.of("assign", "each", "idempotent");
    private static final Set<String> KNOWN = Set.of("bootstrap", "topic", "group", "partitions", "from", "until-count",
            "client-id", "props", "count", "size", "rate", "acks", "key-prefix", "transactional-id", "commit-every",
            "abort-every", "isolation", "group-protocol", "replication", "tls-ca", "tls-cert", "tls-key", "scram");
    private static final String PASSWORD = "TIDEGATE_CLIENT_PASSWORD";

    final String verb;
    private final Map<String, String> given = new HashMap<>();

    Options(String[] args) {
        if (args.length == 0) {
            throw new IllegalArgumentException("usage: consume|produce|admin --bootstrap H:P --topic T ...");
        }
        verb = args[0];
        for (int i = 1; i < args.length; i++) {
            String[] parts = args[i].split("=", 2);
            String name = parts[0].replaceFirst("^--", "");
            if (SWITCHES.contains(name)) {
                given.put(name, "true");
            } else if (KNOWN.contains(name)) {
                given.put(name, parts.length == 2 ? parts[1] : args[++i]);
            } else {
                throw new IllegalArgumentException("unknown flag: " + args[i]);
            }
        }
    }

    boolean has(String name) {
        return given.containsKey(name);
    }

    String text(String name, String otherwise) {
        return given.getOrDefault(name, otherwise);
    }

    String topic() {
        return given.get("topic");
    }

    long number(String name, long otherwise) {
        return has(name) ? Long.parseLong(given.get(name)) : otherwise;
    }

    double rate() {
        return Double.parseDouble(text("rate", "0"));
    }

    List<Integer> partitions() {
        List<Integer> out = new ArrayList<>();
        for (String word : text("partitions", "").split(",")) {
            if (!word.isEmpty()) {
                out.add(Integer.valueOf(word));
            }
        }
        return out;
    }

    /** What every client of Kafka's is given: where to, how to come in, and {@code --props} over all of it. */
    Properties client(Map<String, String> own) throws IOException {
        Properties props = new Properties();
        props.put("bootstrap.servers", given.get("bootstrap"));
        if (has("client-id")) {
            props.put("client.id", given.get("client-id"));
        }
        secure(props);
        props.putAll(own);
        JsonNode further = new ObjectMapper().readTree(text("props", "{}"));
        further.properties().forEach(e -> props.put(e.getKey(), e.getValue().asText()));
        return props;
    }

    private void secure(Properties props) throws IOException {
        boolean tls = has("tls-ca");
        if (has("scram")) {
            props.put("security.protocol", tls ? "SASL_SSL" : "SASL_PLAINTEXT");
            props.put("sasl.mechanism", "SCRAM-SHA-512");
            props.put("sasl.jaas.config", jaas());
        } else if (tls) {
            props.put("security.protocol", "SSL");
        }
        if (tls) {
            props.put("ssl.truststore.type", "PEM");
            props.put("ssl.truststore.location", given.get("tls-ca"));
        }
        if (has("tls-cert")) {
            props.put("ssl.keystore.type", "PEM");
            props.put("ssl.keystore.certificate.chain", Files.readString(Path.of(given.get("tls-cert"))));
            props.put("ssl.keystore.key", Files.readString(Path.of(given.get("tls-key"))));
        }
    }

    private String jaas() {
        String password = System.getenv(PASSWORD);
        if (password == null) {
            throw new IllegalArgumentException("--scram: " + PASSWORD + " is not set");
        }
        return "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"" + quoted(given.get("scram"))
                + "\" password=\"" + quoted(password) + "\";";
    }

    private static String quoted(String text) {
        return text.replace("\\", "\\\\").replace("\"", "\\\"");
    }
}
