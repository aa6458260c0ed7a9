package io.github.rerank.sidecar;

import java.util.function.Supplier;
import org.opensearch.common.util.concurrent.ThreadContext;

/**
 * Marks the searches below another one. Expanding a collapsed page sends one search per group, and each of them runs through
 * the default pipeline again; nothing in such a request tells it from a reader's, so the mark travels in the thread context.
 */
final class InnerSearches {
    private static final String MARK = "sidecar_rerank.inner_search";
    private final ThreadContext threadContext;

    InnerSearches(ThreadContext threadContext) {
        this.threadContext = threadContext;
    }

    boolean here() {
        return threadContext.getTransient(MARK) != null;
    }

    /** Runs {@code search} so that searches that it starts are marked; the caller's own context stays as it was. */
    void markBelow(Runnable search) {
        Supplier<ThreadContext.StoredContext> outside = threadContext.newRestorableContext(true);
        try (ThreadContext.StoredContext ignored = threadContext.newStoredContext(true)) {
            threadContext.putTransient(MARK, outside);
            search.run();
        }
    }

    /** Runs {@code rest} in the context from before the mark, so that what follows the marked search is not taken for a part of it. */
    void unmark(Runnable rest) {
        Supplier<ThreadContext.StoredContext> outside = threadContext.getTransient(MARK);
        if (outside == null) {
            rest.run();
            return;
        }
        try (ThreadContext.StoredContext ignored = outside.get()) {
            rest.run();
        }
    }
}
