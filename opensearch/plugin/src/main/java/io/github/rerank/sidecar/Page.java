package io.github.rerank.sidecar;

import java.util.Arrays;
import org.opensearch.search.SearchHit;
import org.opensearch.search.SearchService;
import org.opensearch.search.builder.SearchSourceBuilder;

/** The slice of the hits that the client asked for. */
record Page(int from, int size) {

    static Page of(SearchSourceBuilder source) {
        int from = source.from() < 0 ? SearchService.DEFAULT_FROM : source.from();
        int size = source.size() < 0 ? SearchService.DEFAULT_SIZE : source.size();
        return new Page(from, size);
    }

    /** How many hits the first pass has to bring so that both the window and this page are covered. */
    int reach(int window) {
        return (int) Math.min(Integer.MAX_VALUE, Math.max(window, (long) from + size));
    }

    SearchHit[] slice(SearchHit[] hits) {
        int start = Math.min(from, hits.length);
        int end = (int) Math.min(hits.length, (long) from + size);
        return Arrays.copyOfRange(hits, start, end);
    }
}
