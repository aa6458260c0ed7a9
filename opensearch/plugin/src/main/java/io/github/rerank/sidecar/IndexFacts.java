package io.github.rerank.sidecar;

import org.opensearch.action.search.SearchRequest;

/** What the indices of a search allow: asking a shard for more than this would fail a search that was right. */
interface IndexFacts {
    Facts of(SearchRequest request);

    /**
     * @param known false where the names lead to no index, so that the search itself will say what is wrong
     * @param maxResultWindow the smallest limit among the indices
     * @param source whether all of them keep {@code _source}
     */
    record Facts(boolean known, int maxResultWindow, boolean source) {
        static final Facts UNKNOWN = new Facts(false, Integer.MAX_VALUE, true);
    }
}
