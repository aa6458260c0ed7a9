package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.opensearch.common.xcontent.XContentHelper;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.MediaTypeRegistry;
import org.opensearch.core.xcontent.ToXContent;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.QueryBuilder;

/**
 * The words a reader typed, taken from the query by clause name. Clauses are read from their serialised form because the
 * builders of other plugins (neural, hybrid) live in class loaders that this plugin cannot see.
 */
final class QueryText {
    private final Map<String, String> texts = new LinkedHashMap<>();

    private QueryText() {}

    /** The distinct texts in reading order, cut to {@code maxChars}; empty when the query holds none. */
    static String of(QueryBuilder query, int maxChars) throws IOException {
        QueryText found = new QueryText();
        found.builder(query);
        return Texts.cut(String.join(" ", found.texts.values()), maxChars);
    }

    /** Filters can hold thousands of terms, so the scored clauses of a {@code bool} are reached without serialising them. */
    private void builder(QueryBuilder query) throws IOException {
        if (query instanceof BoolQueryBuilder bool) {
            for (QueryBuilder must : bool.must()) {
                builder(must);
            }
            for (QueryBuilder should : bool.should()) {
                builder(should);
            }
        } else if (query != null) {
            clauses(serialised(query));
        }
    }

    private static Map<String, Object> serialised(QueryBuilder query) throws IOException {
        try (XContentBuilder json = MediaTypeRegistry.contentBuilder(MediaTypeRegistry.JSON)) {
            query.toXContent(json, ToXContent.EMPTY_PARAMS);
            return XContentHelper.convertToMap(BytesReference.bytes(json), true, MediaTypeRegistry.JSON).v2();
        }
    }

    private void clauses(Object node) {
        if (node instanceof List<?> list) {
            list.forEach(this::clauses);
        } else if (node instanceof Map<?, ?> map) {
            map.forEach((name, body) -> clause(String.valueOf(name), body));
        }
    }

    private void clause(String name, Object body) {
        switch (name) {
            case "match", "match_phrase", "match_phrase_prefix", "match_bool_prefix" -> fieldTexts(body, "query");
            case "neural", "neural_sparse" -> fieldTexts(body, "query_text");
            case "multi_match", "combined_fields" -> text(child(body, "query"));
            case "query_string" -> syntaxText(body, QuerySyntax::ofQueryString);
            case "simple_query_string" -> syntaxText(body, QuerySyntax::ofSimple);
            case "bool" -> children(body, "must", "should");
            case "hybrid", "dis_max" -> children(body, "queries");
            case "constant_score" -> children(body, "filter");
            case "boosting" -> children(body, "positive");
            case "function_score", "script_score", "nested" -> children(body, "query");
            default -> { }
        }
    }

    private void children(Object body, String... names) {
        for (String name : names) {
            clauses(child(body, name));
        }
    }

    private void fieldTexts(Object body, String key) {
        if (body instanceof Map<?, ?> fields) {
            fields.values().forEach(options -> text(options instanceof Map<?, ?> ? child(options, key) : options));
        }
    }

    private void syntaxText(Object body, UnaryOperator<String> wished) {
        if (child(body, "query") instanceof String query) {
            text(wished.apply(query));
        }
    }

    private void text(Object value) {
        if (value instanceof String text && text.isBlank() == false) {
            String words = text.strip().replaceAll("\\s+", " ");
            texts.putIfAbsent(words.toLowerCase(Locale.ROOT), words);
        }
    }

    private static Object child(Object body, String name) {
        return body instanceof Map<?, ?> map ? map.get(name) : null;
    }
}
