package tidegate;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** Reading a request: client properties, lists of names. */
final class Props {
    private Props() {}

    /** The object under "props" as client properties, values as text. */
    static Properties of(JsonNode request) {
        Properties props = new Properties();
        JsonNode given = request.get("props");
        if (given != null) {
            given.properties().forEach(e -> props.put(e.getKey(), e.getValue().asText()));
        }
        return props;
    }

    static List<String> strings(JsonNode list) {
        List<String> out = new ArrayList<>();
        if (list != null) {
            list.forEach(s -> out.add(s.asText()));
        }
        return out;
    }

    static List<Integer> ints(JsonNode list) {
        List<Integer> out = new ArrayList<>();
        list.forEach(i -> out.add(i.asInt()));
        return out;
    }

    static String text(JsonNode request, String field, String otherwise) {
        JsonNode value = request.get(field);
        return value == null || value.isNull() ? otherwise : value.asText();
    }

    static long number(JsonNode request, String field, long otherwise) {
        JsonNode value = request.get(field);
        return value == null || value.isNull() ? otherwise : value.asLong();
    }
}
