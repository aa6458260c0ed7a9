package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.Map;
import java.util.Objects;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.search.SearchExtBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;

/** {@code ext.sidecar_rerank} of one search: what differs from the pipeline's settings. Every key is optional, null means unset. */
final class RequestOverrides extends SearchExtBuilder {
    static final String NAME = "sidecar_rerank";
    static final RequestOverrides NONE = new RequestOverrides(null, null, null, null, null, null);
    private static final int MAX_QUERY_CHARS = 10_000;
    private static final int MAX_USER_CHARS = 512;

    final Boolean enabled;
    final Integer window;
    final String profile;
    final Integer deadlineMs;
    final String query;
    final String user;

    private RequestOverrides(Boolean enabled, Integer window, String profile, Integer deadlineMs, String query, String user) {
        this.enabled = enabled;
        this.window = window;
        this.profile = profile;
        this.deadlineMs = deadlineMs;
        this.query = query;
        this.user = user;
    }

    RequestOverrides(StreamInput in) throws IOException {
        this(
            in.readOptionalBoolean(),
            in.readOptionalInt(),
            in.readOptionalString(),
            in.readOptionalInt(),
            in.readOptionalString(),
            in.readOptionalString()
        );
    }

    static RequestOverrides of(SearchSourceBuilder source) {
        for (SearchExtBuilder ext : source.ext()) {
            if (ext instanceof RequestOverrides overrides) {
                return overrides;
            }
        }
        return NONE;
    }

    static RequestOverrides parse(XContentParser parser) throws IOException {
        XContentParser.Token token = parser.currentToken() == null ? parser.nextToken() : parser.currentToken();
        if (token != XContentParser.Token.START_OBJECT) {
            throw new Config("ext", null, Map.of()).complaint(NAME, "must be an object, such as {\"enabled\": false}");
        }
        Config config = new Config("ext." + NAME, null, parser.map());
        RequestOverrides overrides = new RequestOverrides(
            config.flag("enabled"),
            config.integer(WindowSettings.WINDOW, 1, WindowSettings.MAX_WINDOW),
            config.text(CallSettings.PROFILE, CallSettings.MAX_PROFILE_CHARS),
            config.integer(CallSettings.DEADLINE_MS, 1, CallSettings.MAX_DEADLINE_MS),
            config.text("query", MAX_QUERY_CHARS),
            config.text("user", MAX_USER_CHARS)
        );
        config.end();
        return overrides;
    }

    @Override
    public void writeTo(StreamOutput out) throws IOException {
        out.writeOptionalBoolean(enabled);
        out.writeOptionalInt(window);
        out.writeOptionalString(profile);
        out.writeOptionalInt(deadlineMs);
        out.writeOptionalString(query);
        out.writeOptionalString(user);
    }

    @Override
    public XContentBuilder toXContent(XContentBuilder builder, Params params) throws IOException {
        builder.startObject(NAME);
        write(builder, "enabled", enabled);
        write(builder, WindowSettings.WINDOW, window);
        write(builder, CallSettings.PROFILE, profile);
        write(builder, CallSettings.DEADLINE_MS, deadlineMs);
        write(builder, "query", query);
        write(builder, "user", user);
        return builder.endObject();
    }

    private static void write(XContentBuilder builder, String key, Object value) throws IOException {
        if (value != null) {
            builder.field(key, value);
        }
    }

    @Override
    public String getWriteableName() {
        return NAME;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof RequestOverrides that
            && Objects.equals(enabled, that.enabled)
            && Objects.equals(window, that.window)
            && Objects.equals(profile, that.profile)
            && Objects.equals(deadlineMs, that.deadlineMs)
            && Objects.equals(query, that.query)
            && Objects.equals(user, that.user);
    }

    @Override
    public int hashCode() {
        return Objects.hash(enabled, window, profile, deadlineMs, query, user);
    }
}
