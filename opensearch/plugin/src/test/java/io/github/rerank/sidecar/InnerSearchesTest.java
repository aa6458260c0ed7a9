package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.opensearch.action.search.SearchAction;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.support.ActionFilterChain;
import org.opensearch.action.support.ActionRequestMetadata;
import org.opensearch.common.settings.Settings;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.action.ActionListener;
import org.opensearch.index.query.InnerHitBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.collapse.CollapseBuilder;

class InnerSearchesTest {
    private final ThreadContext context = new ThreadContext(Settings.EMPTY);
    private final InnerSearches inner = new InnerSearches(context);
    private final List<Boolean> seen = new ArrayList<>();

    private void apply(SearchRequest request, ActionFilterChain<SearchRequest, SearchResponse> chain) {
        ActionListener<SearchResponse> listener = ActionListener.wrap(() -> seen.add(inner.here()));
        inner.apply(null, SearchAction.NAME, request, ActionRequestMetadata.empty(), listener, chain);
    }

    private static SearchRequest collapsing(boolean withInnerHits) {
        CollapseBuilder collapse = new CollapseBuilder("group");
        if (withInnerHits) {
            collapse.setInnerHits(new InnerHitBuilder("more"));
        }
        return new SearchRequest(new String[] { "shop" }, new SearchSourceBuilder().collapse(collapse));
    }

    @Test
    void searchesBelowACollapsedOneAreMarked() {
        apply(collapsing(true), (task, action, request, listener) -> assertTrue(inner.here()));
        assertFalse(inner.here());
    }

    @Test
    void whatFollowsACollapsedSearchIsNotMarked() {
        apply(collapsing(true), (task, action, request, listener) -> listener.onResponse(null));
        apply(collapsing(true), (task, action, request, listener) -> listener.onFailure(new IllegalStateException()));
        assertEquals(List.of(false, false), seen);
    }

    @Test
    void groupsThatAreCollapsedThemselvesStayMarked() {
        apply(collapsing(true), (task, action, request, outer) ->
            apply(collapsing(true), (innerTask, innerAction, innerRequest, listener) -> listener.onResponse(null)));
        assertEquals(List.of(true), seen);
    }

    @Test
    void otherSearchesAreNotMarked() {
        apply(collapsing(false), (task, action, request, listener) -> assertFalse(inner.here()));
        apply(new SearchRequest(), (task, action, request, listener) -> assertFalse(inner.here()));
    }
}
