package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.Map;
import java.util.Objects;
import org.apache.lucene.search.Query;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.index.query.AbstractQueryBuilder;
import org.opensearch.index.query.QueryShardContext;

/** A query of another plugin, as this one sees it: only its serialised form is known. */
final class RawQuery extends AbstractQueryBuilder<RawQuery> {
    private final Map<String, Object> json;

    RawQuery(Map<String, Object> json) {
        this.json = json;
    }

    @Override
    protected void doWriteTo(StreamOutput out) {
        throw new UnsupportedOperationException();
    }

    @Override
    public XContentBuilder toXContent(XContentBuilder builder, Params params) throws IOException {
        return builder.map(json);
    }

    @Override
    protected void doXContent(XContentBuilder builder, Params params) {
        throw new UnsupportedOperationException();
    }

    @Override
    protected Query doToQuery(QueryShardContext context) {
        throw new UnsupportedOperationException();
    }

    @Override
    protected boolean doEquals(RawQuery other) {
        return json.equals(other.json);
    }

    @Override
    protected int doHashCode() {
        return Objects.hash(json);
    }

    @Override
    public String getWriteableName() {
        return "raw";
    }
}
