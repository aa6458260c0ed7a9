package io.github.rerank.sidecar;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.opensearch.action.OriginalIndices;
import org.opensearch.core.index.shard.ShardId;
import org.opensearch.search.SearchHit;
import org.opensearch.search.SearchShardTarget;

/** Hits as a first pass brings them. */
final class Hits {
    private Hits() {}

    @SuppressWarnings("unchecked")
    static SearchHit of(Map<String, Object> example) {
        Number score = (Number) example.get("score");
        SearchHit hit = of((String) example.get("id"), score == null ? Float.NaN : score.floatValue(), (Map<String, Object>) example.get("source"));
        hit.shard(new SearchShardTarget("node", new ShardId((String) example.get("index"), "uuid", 0), null, OriginalIndices.NONE));
        return hit;
    }

    static SearchHit of(String id, float score, Map<String, Object> source) {
        SearchHit hit = new SearchHit(1, id, Map.of(), Map.of());
        hit.score(score);
        if (source != null) {
            try {
                hit.sourceRef(Contract.bytes(source));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return hit;
    }

    static List<String> ids(SearchHit[] hits) {
        return Arrays.stream(hits).map(SearchHit::getId).toList();
    }

    static List<Float> scores(SearchHit[] hits) {
        return Arrays.stream(hits).map(SearchHit::getScore).toList();
    }
}
