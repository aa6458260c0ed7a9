package io.github.rerank.sidecar;

import org.opensearch.action.search.SearchRequest;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.fetch.StoredFieldsContext;
import org.opensearch.search.sort.ScoreSortBuilder;
import org.opensearch.search.sort.SortBuilder;
import org.opensearch.search.sort.SortOrder;

/**
 * Tells a page for a reader, ordered by relevance, from everything else that runs through a default pipeline. Writes by query
 * and reindexing scroll, counting asks for size 0, and creating a point in time has no query, hence no text.
 */
final class Eligibility {
    private Eligibility() {}

    /** Why this search has to be left alone as far as its own shape tells, null where it does not. */
    static Skip check(SearchRequest request) {
        SearchSourceBuilder source = request.source();
        if (source == null) {
            return Skip.NO_TEXT;
        }
        Skip walk = walksThroughHits(request, source);
        return walk == null ? orderedOtherwise(request, source) : walk;
    }

    private static Skip walksThroughHits(SearchRequest request, SearchSourceBuilder source) {
        if (request.scroll() != null) {
            return Skip.SCROLL;
        }
        if (source.pointInTimeBuilder() != null) {
            return Skip.POINT_IN_TIME;
        }
        if (source.searchAfter() != null) {
            return Skip.SEARCH_AFTER;
        }
        if (source.slice() != null) {
            return Skip.SLICE;
        }
        return source.size() == 0 ? Skip.SIZE_0 : null;
    }

    private static Skip orderedOtherwise(SearchRequest request, SearchSourceBuilder source) {
        if (ordersByRelevance(source) == false) {
            return Skip.SORT;
        }
        if (source.collapse() != null) {
            return Skip.COLLAPSE;
        }
        if (source.rescores() != null && source.rescores().isEmpty() == false) {
            return Skip.RESCORE;
        }
        // How many documents a shard collects before it stops depends on the size asked for.
        if (source.terminateAfter() > 0) {
            return Skip.TERMINATE_AFTER;
        }
        StoredFieldsContext stored = source.storedFields();
        if (stored != null && stored.fetchFields() == false) {
            return Skip.STORED_FIELDS_NONE;
        }
        if (mayFailOnAHit(source)) {
            return Skip.SCRIPT_FIELDS;
        }
        return crossesClusters(request) ? Skip.CROSS_CLUSTER : null;
    }

    /** Scripts run for every hit that is fetched: one that fails on a hit outside the client's page would fail the search. */
    private static boolean mayFailOnAHit(SearchSourceBuilder source) {
        return source.scriptFields() != null && source.scriptFields().stream().anyMatch(field -> field.ignoreFailure() == false);
    }

    /** A lone descending {@code _score} is what the server does anyway; it then returns no sort values either. */
    private static boolean ordersByRelevance(SearchSourceBuilder source) {
        if (source.sorts() == null || source.sorts().isEmpty()) {
            return true;
        }
        SortBuilder<?> first = source.sorts().get(0);
        return source.sorts().size() == 1 && first instanceof ScoreSortBuilder && first.order() == SortOrder.DESC;
    }

    /** The limits of remote indices are unknown here. */
    private static boolean crossesClusters(SearchRequest request) {
        for (String index : request.indices()) {
            if (index.indexOf(':') > 0 && index.startsWith("<") == false) {
                return true;
            }
        }
        return false;
    }
}
