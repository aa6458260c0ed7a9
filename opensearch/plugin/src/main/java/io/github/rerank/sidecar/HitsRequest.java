package io.github.rerank.sidecar;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.MediaTypeRegistry;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.search.SearchHit;

/** Writes the body of {@code POST /v1/hits}; {@code tests/contract} holds an example that the sidecar's tests read too. */
final class HitsRequest {
    private final byte[] json;
    private final int deadlineAt;
    private final boolean anyField;

    private HitsRequest(byte[] json, int deadlineAt, boolean anyField) {
        this.json = json;
        this.deadlineAt = deadlineAt;
        this.anyField = anyField;
    }

    /** The window's hits, each with its source, under the ticket's query; the deadline is filled in when the body is sent. */
    static HitsRequest of(Ticket.Widened ticket, String profile, Window window, Map<SearchHit, BytesReference> sources)
        throws IOException {
        HitFields reader = new HitFields(ticket.fields(), ticket.maxFieldChars());
        boolean anyField = false;
        try (XContentBuilder json = MediaTypeRegistry.contentBuilder(MediaTypeRegistry.JSON)) {
            json.startObject().field("query", ticket.text()).startArray("hits");
            for (int i = 0; i < window.size(); i++) {
                SearchHit hit = window.hits()[i];
                BytesReference source = sources.get(hit);
                Map<String, Object> fields = source == null ? Map.of() : reader.read(source);
                anyField |= fields.isEmpty() == false;
                hit(json, hit, window.scores()[i], fields);
            }
            json.endArray().field("user", ticket.user()).field("profile", profile).field("explain", false);
            json.endObject();
            byte[] bytes = BytesReference.toBytes(BytesReference.bytes(json));
            return new HitsRequest(bytes, bytes.length - 1, anyField);
        }
    }

    private static void hit(XContentBuilder json, SearchHit hit, float score, Map<String, Object> fields) throws IOException {
        json.startObject().field("id", hit.getId()).field("index", hit.getIndex());
        if (Float.isFinite(score)) {
            json.field("score", score);
        } else {
            json.nullField("score");
        }
        json.field("fields", fields).endObject();
    }

    /** Whether at least one hit has a text: without any, there is nothing to judge. */
    boolean hasFields() {
        return anyField;
    }

    /** The body for a call that may still take {@code remainingMs}; a second attempt has less time than the first. */
    byte[] body(long remainingMs) {
        byte[] tail = (",\"deadline_ms\":" + Math.max(1, remainingMs) + "}").getBytes(StandardCharsets.US_ASCII);
        byte[] body = new byte[deadlineAt + tail.length];
        System.arraycopy(json, 0, body, 0, deadlineAt);
        System.arraycopy(tail, 0, body, deadlineAt, tail.length);
        return body;
    }
}
