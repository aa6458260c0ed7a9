package io.github.rerank.sidecar;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.opensearch.common.xcontent.XContentHelper;
import org.opensearch.common.xcontent.json.JsonXContent;
import org.opensearch.core.common.bytes.BytesArray;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.MediaTypeRegistry;
import org.opensearch.core.xcontent.XContentBuilder;

/** The vector of a query's text, by the sidecar's {@code POST /v1/embed}. */
record QueryVector(List<Double> numbers) {
    static final String PATH = "embed";

    /** The question for a call that may still take {@code remainingMs}; a null profile is the sidecar's own embedder. */
    static byte[] question(String text, String profile, long remainingMs) {
        try (XContentBuilder json = JsonXContent.contentBuilder()) {
            json.startObject().array("texts", text).field("kind", "query").field("profile", profile);
            json.field("deadline_ms", Math.max(1, remainingMs)).endObject();
            return BytesReference.toBytes(BytesReference.bytes(json));
        } catch (IOException e) {
            throw new IllegalStateException("a text that cannot be written: " + text, e);
        }
    }

    static QueryVector of(Reply reply) throws SidecarException {
        byte[] body = reply.accepted();
        try {
            Map<String, Object> answer = XContentHelper.convertToMap(new BytesArray(body), false, MediaTypeRegistry.JSON).v2();
            return new QueryVector(only(answer.get("vectors")).stream().map(number -> ((Number) number).doubleValue()).toList());
        } catch (RuntimeException e) {
            throw new SidecarException(Failure.GARBAGE, "no vector in " + body.length + " bytes that begin with "
                + new String(body, 0, Math.min(body.length, 80), StandardCharsets.UTF_8));
        }
    }

    private static List<?> only(Object vectors) {
        if (vectors instanceof List<?> list && list.size() == 1 && list.get(0) instanceof List<?> vector && vector.isEmpty() == false) {
            return vector;
        }
        throw new IllegalArgumentException("not one vector");
    }
}
