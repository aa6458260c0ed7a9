package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.Map;
import java.util.Objects;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.search.SearchExtBuilder;

/**
 * The {@code ext.rerank} section of an annotated response. It is registered under a name of its own because the neural-search
 * plugin has registered {@code rerank}; only what the client reads says {@code rerank}.
 */
final class RerankAnnotation extends SearchExtBuilder {
    static final String NAME = "sidecar_rerank_annotation";
    private final boolean applied;
    private final String reason;
    private final String model;
    private final int window;
    private final long tookMs;
    private final String readAs;
    private final int neighbours;

    /**
     * @param reason why the window was not re-ranked, null where it was
     * @param model the model that judged, null where none did
     * @param window how many hits were judged, or would have been
     * @param tookMs what the re-ranking added to the search
     * @param readAs the query as the model read it, null where that is as it was sent
     * @param neighbours how many of the hits that were judged only the vector search found
     */
    RerankAnnotation(boolean applied, String reason, String model, int window, long tookMs, String readAs, int neighbours) {
        this.applied = applied;
        this.reason = reason;
        this.model = model;
        this.window = window;
        this.tookMs = tookMs;
        this.readAs = readAs;
        this.neighbours = neighbours;
    }

    static RerankAnnotation skipped(Skip reason) {
        return new RerankAnnotation(false, reason.code(), null, 0, 0, null, 0);
    }

    RerankAnnotation(StreamInput in) throws IOException {
        this(
            in.readBoolean(),
            in.readOptionalString(),
            in.readOptionalString(),
            in.readVInt(),
            in.readVLong(),
            in.readOptionalString(),
            in.readVInt()
        );
    }

    /** For Java clients that parse whole responses; in a request the section means nothing. */
    static RerankAnnotation parse(XContentParser parser) throws IOException {
        Map<String, Object> map = parser.map();
        return new RerankAnnotation(
            Boolean.TRUE.equals(map.get("applied")),
            (String) map.get("reason"),
            (String) map.get("model"),
            map.get("window") instanceof Number window ? window.intValue() : 0,
            map.get("took_ms") instanceof Number took ? took.longValue() : 0,
            (String) map.get("read_as"),
            map.get("neighbours") instanceof Number neighbours ? neighbours.intValue() : 0
        );
    }

    @Override
    public void writeTo(StreamOutput out) throws IOException {
        out.writeBoolean(applied);
        out.writeOptionalString(reason);
        out.writeOptionalString(model);
        out.writeVInt(window);
        out.writeVLong(tookMs);
        out.writeOptionalString(readAs);
        out.writeVInt(neighbours);
    }

    @Override
    public XContentBuilder toXContent(XContentBuilder builder, Params params) throws IOException {
        builder.startObject("rerank").field("applied", applied);
        if (reason != null) {
            builder.field("reason", reason);
        }
        if (model != null) {
            builder.field("model", model);
        }
        if (readAs != null) {
            builder.field("read_as", readAs);
        }
        if (neighbours > 0) {
            builder.field("neighbours", neighbours);
        }
        return builder.field("window", window).field("took_ms", tookMs).endObject();
    }

    @Override
    public String getWriteableName() {
        return NAME;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof RerankAnnotation that
            && applied == that.applied
            && Objects.equals(reason, that.reason)
            && Objects.equals(model, that.model)
            && window == that.window
            && tookMs == that.tookMs
            && Objects.equals(readAs, that.readAs)
            && neighbours == that.neighbours;
    }

    @Override
    public int hashCode() {
        return Objects.hash(applied, reason, model, window, tookMs, readAs, neighbours);
    }
}
