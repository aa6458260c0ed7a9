package io.github.rerank.sidecar;

import java.util.Collections;
import java.util.Map;

/**
 * Settings of {@code rerank_window}.
 *
 * @param window how many of the best hits of the first pass are re-ranked
 * @param fields role of the model's text template to source field, in the order in which they were written
 * @param maxQueryChars longer query texts are cut
 * @param maxFieldChars longer field texts are cut, counted over all the values of a role
 */
record WindowSettings(int window, Map<String, String> fields, int maxQueryChars, int maxFieldChars) {
    static final int MAX_WINDOW = 1000;
    static final String WINDOW = "window";
    private static final int MAX_ROLES = 32;
    private static final String FIELDS = "fields";

    static WindowSettings read(Config config) {
        int window = config.integer(WINDOW, 100, 1, MAX_WINDOW);
        Map<String, String> fields = config.textMap(FIELDS);
        checkFields(config, fields);
        int maxQueryChars = config.integer("max_query_chars", 512, 1, 10_000);
        int maxFieldChars = config.integer("max_field_chars", 2_000, 1, 100_000);
        return new WindowSettings(window, Collections.unmodifiableMap(fields), maxQueryChars, maxFieldChars);
    }

    private static void checkFields(Config config, Map<String, String> fields) {
        if (fields.size() > MAX_ROLES) {
            throw config.complaint(FIELDS, "at most " + MAX_ROLES + " roles, got " + fields.size());
        }
        for (String path : fields.values()) {
            if (path.contains("*") || path.startsWith(".") || path.endsWith(".") || path.contains("..")) {
                throw config.complaint(FIELDS, "must name source fields by dotted path without wildcards, got [" + path + "]");
            }
        }
    }
}
