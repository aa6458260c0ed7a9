package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.action.ActionListener;
import org.opensearch.search.SearchHit;

/**
 * The documents of the client's indices that are nearest to the query in meaning: the sidecar makes the query's vector, and a
 * search in the client's name finds them. Whatever fails or takes too long, the window is the first pass's alone.
 */
final class NeighbourSearch implements SidecarCall.Listener<QueryVector> {
    private static final Logger logger = LogManager.getLogger(NeighbourSearch.class);
    private static final SearchHit[] NOTHING = {};

    /** Runs a search on this node, in the thread context of its caller. */
    interface Searcher {
        void search(SearchRequest request, ActionListener<SearchResponse> listener);
    }

    private final NeighbourRequest request;
    private final NodeServices node;
    private final Supplier<ThreadContext.StoredContext> context;
    private final SidecarCall.Limits limits;
    private final Consumer<SearchHit[]> found;
    private final AtomicBoolean ended = new AtomicBoolean();
    private Runnable cancelDeadline = () -> {};

    /**
     * @param context the search's own thread context
     * @param limits how long it may take, and how the sidecars are asked
     * @param found hears once, on the node's executor, of the documents found, nearest first
     */
    NeighbourSearch(
        NeighbourRequest request,
        NodeServices node,
        Supplier<ThreadContext.StoredContext> context,
        SidecarCall.Limits limits,
        Consumer<SearchHit[]> found
    ) {
        this.request = request;
        this.node = node;
        this.context = context;
        this.limits = limits;
        this.found = found;
    }

    void start(List<Endpoint> order, String requestId) {
        node.stats().neighbours.asked.increment();
        cancelDeadline = node.timer().after(remainingMs(), () -> end(NOTHING, "it took longer than half of the deadline"));
        SidecarCall<QueryVector> call = new SidecarCall<>(node.callTools(), limits, this);
        call.start();
        call.ask(new SidecarCall.Question<>(QueryVector.PATH, request::embedding, QueryVector::of, requestId), order);
    }

    @Override
    public void answered(QueryVector vector) {
        try (ThreadContext.StoredContext ignored = context.get()) {
            SearchRequest search = request.nearest(vector, TimeValue.timeValueMillis(remainingMs()));
            node.searcher().search(search, ActionListener.wrap(this::searched, e -> end(NOTHING, e.toString())));
        } catch (IOException | RuntimeException e) {
            end(NOTHING, e.toString());
        }
    }

    @Override
    public void failed(Failure failure) {
        end(NOTHING, "the sidecar made no vector (" + failure.code() + ")");
    }

    private void searched(SearchResponse response) {
        end(response.getHits().getHits(), trouble(response));
    }

    private static String trouble(SearchResponse response) {
        if (response.getFailedShards() > 0) {
            return response.getShardFailures()[0].toString();
        }
        return response.isTimedOut() ? "the vector search ran out of time before it was through" : null;
    }

    /** What some shards found is of use though others failed or were too slow. */
    private void end(SearchHit[] hits, String trouble) {
        if (ended.compareAndSet(false, true) == false) {
            return;
        }
        cancelDeadline.run();
        if (trouble != null) {
            node.stats().neighbours.failed.increment();
            node.warnings().warn(logger, "the window lacks its neighbours: {}", trouble);
        }
        node.executor().execute(() -> found.accept(hits));
    }

    private long remainingMs() {
        return Math.max(1, TimeUnit.NANOSECONDS.toMillis(limits.deadlineNanos() - node.clock().getAsLong()));
    }
}
