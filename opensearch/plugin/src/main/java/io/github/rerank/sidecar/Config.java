package io.github.rerank.sidecar;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.opensearch.OpenSearchException;
import org.opensearch.ingest.ConfigurationUtils;

/**
 * Reads one settings object key by key, removing what it reads. Every complaint is a 400 that names the key; what is left
 * over is unknown, which the search pipeline service reports for processors and {@link #end()} for everything else.
 */
final class Config {
    private final String owner;
    private final String tag;
    private final Map<String, Object> values;
    /** What stands before a key in complaints: the names of the objects around it. */
    private final String path;

    Config(String owner, String tag, Map<String, Object> values) {
        this(owner, tag, values, "");
    }

    private Config(String owner, String tag, Map<String, Object> values, String path) {
        this.owner = owner;
        this.tag = tag;
        this.values = values;
        this.path = path;
    }

    OpenSearchException complaint(String key, String reason) {
        return ConfigurationUtils.newConfigurationException(owner, tag, path + key, reason);
    }

    /** An object of further settings, null where it is not set. Its reader calls {@link #end()}. */
    @SuppressWarnings("unchecked")
    Config part(String key) {
        Object value = values.remove(key);
        if (value == null) {
            return null;
        }
        if (value instanceof Map<?, ?> map) {
            return new Config(owner, tag, new LinkedHashMap<>((Map<String, Object>) map), path + key + ".");
        }
        throw complaint(key, "must be an object, got [" + value + "]");
    }

    String text(String key, int maxLength) {
        Object value = values.remove(key);
        if (value == null) {
            return null;
        }
        if (value instanceof String text && text.isBlank() == false && text.length() <= maxLength) {
            return text.strip();
        }
        throw complaint(key, "must be a text of 1 to " + maxLength + " characters, got [" + value + "]");
    }

    Integer integer(String key, int min, int max) {
        Object value = values.remove(key);
        if (value == null) {
            return null;
        }
        if ((value instanceof Integer || value instanceof Long) && inRange(((Number) value).longValue(), min, max)) {
            return ((Number) value).intValue();
        }
        throw complaint(key, "must be a whole number from " + min + " to " + max + ", got [" + value + "]");
    }

    int integer(String key, int fallback, int min, int max) {
        Integer value = integer(key, min, max);
        return value == null ? fallback : value;
    }

    double fraction(String key, double fallback) {
        Object value = values.remove(key);
        if (value == null) {
            return fallback;
        }
        if (value instanceof Number number && number.doubleValue() >= 0 && number.doubleValue() <= 1) {
            return number.doubleValue();
        }
        throw complaint(key, "must be a number from 0 to 1, got [" + value + "]");
    }

    Boolean flag(String key) {
        Object value = values.remove(key);
        if (value == null || value instanceof Boolean) {
            return (Boolean) value;
        }
        throw complaint(key, "must be true or false, got [" + value + "]");
    }

    boolean flag(String key, boolean fallback) {
        Boolean value = flag(key);
        return value == null ? fallback : value;
    }

    /** A text or a list of texts, required. */
    List<String> texts(String key) {
        Object value = values.remove(key);
        List<String> texts = new ArrayList<>();
        for (Object item : value instanceof List<?> list ? list : value == null ? List.of() : List.of(value)) {
            if (item instanceof String text && text.isBlank() == false) {
                texts.add(text.strip());
            } else {
                throw complaint(key, "must be a text or a list of texts, got [" + value + "]");
            }
        }
        if (texts.isEmpty()) {
            throw complaint(key, "required property is missing");
        }
        return List.copyOf(texts);
    }

    /** An object whose values are texts, required, in the order in which it was written. */
    Map<String, String> textMap(String key) {
        Object value = values.remove(key);
        if (value == null) {
            throw complaint(key, "required property is missing");
        }
        if (value instanceof Map<?, ?> map && map.isEmpty() == false) {
            Map<String, String> texts = new LinkedHashMap<>();
            map.forEach((name, text) -> texts.put(entryText(key, name), entryText(key, text)));
            return texts;
        }
        throw complaint(key, "must be an object of texts with at least one entry, got [" + value + "]");
    }

    void end() {
        if (values.isEmpty() == false) {
            throw complaint(values.keySet().iterator().next(), "unknown key");
        }
    }

    private String entryText(String key, Object value) {
        if (value instanceof String text && text.isBlank() == false) {
            return text.strip();
        }
        throw complaint(key, "must hold texts only, got [" + value + "]");
    }

    private static boolean inRange(long value, int min, int max) {
        return value >= min && value <= max;
    }
}
