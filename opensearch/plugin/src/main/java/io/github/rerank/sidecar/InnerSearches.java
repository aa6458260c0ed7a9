package io.github.rerank.sidecar;

import org.opensearch.action.ActionRequest;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.support.ActionFilter;
import org.opensearch.action.support.ActionFilterChain;
import org.opensearch.action.support.ActionRequestMetadata;
import org.opensearch.action.support.ContextPreservingActionListener;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.action.ActionListener;
import org.opensearch.core.action.ActionResponse;
import org.opensearch.search.collapse.CollapseBuilder;
import org.opensearch.tasks.Task;

/**
 * Marks the searches below another one. Expanding a collapsed page sends one search per group, and each of them runs through
 * the index's default pipeline, even where the page itself was asked for without one. Nothing in such a request tells it from a
 * reader's, so the mark travels in the thread context; what follows the collapsed search runs without it.
 */
final class InnerSearches implements ActionFilter {
    private static final String MARK = "sidecar_rerank.inner_search";
    private final ThreadContext threadContext;

    InnerSearches(ThreadContext threadContext) {
        this.threadContext = threadContext;
    }

    @Override
    public int order() {
        return 0;
    }

    boolean here() {
        return threadContext.getTransient(MARK) != null;
    }

    @Override
    public <Request extends ActionRequest, Response extends ActionResponse> void apply(
        Task task,
        String action,
        Request request,
        ActionRequestMetadata<Request, Response> metadata,
        ActionListener<Response> listener,
        ActionFilterChain<Request, Response> chain
    ) {
        if (request instanceof SearchRequest search && expandsGroups(search) && here() == false) {
            ActionListener<Response> unmarking = ContextPreservingActionListener.wrapPreservingContext(listener, threadContext);
            try (ThreadContext.StoredContext ignored = threadContext.newStoredContext(true)) {
                threadContext.putTransient(MARK, Boolean.TRUE);
                chain.proceed(task, action, request, unmarking);
            }
        } else {
            chain.proceed(task, action, request, listener);
        }
    }

    private static boolean expandsGroups(SearchRequest search) {
        CollapseBuilder collapse = search.source() == null ? null : search.source().collapse();
        return collapse != null && collapse.getInnerHits().isEmpty() == false;
    }
}
