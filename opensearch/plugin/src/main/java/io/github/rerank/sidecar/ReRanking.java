package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.common.CheckedSupplier;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.action.ActionListener;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.search.SearchHit;
import org.opensearch.transport.Transports;

/**
 * The re-ranking of one search, from the end of the first pass to the page. Every way through it ends in {@link FinishStep}, the
 * listener hears once, and what comes after the search runs in the search's own thread context. The deadline holds over all of
 * it: its timer is set before anything else, and a page that would be re-ranked too late is the first pass's.
 */
final class ReRanking implements SidecarCall.Listener<HitsAnswer> {
    private static final Logger logger = LogManager.getLogger(ReRanking.class);

    private final Ticket.Widened ticket;
    private final SearchRequest search;
    private final SearchResponse response;
    private final RerankPipeline pipeline;
    private final NodeServices node;
    private final ActionListener<SearchResponse> listener;
    private final Supplier<ThreadContext.StoredContext> context;
    private final String requestId;
    private final AtomicBoolean finished = new AtomicBoolean();
    private final long startNanos;
    private final long deadlineNanos;
    private final Map<SearchHit, BytesReference> sources = new IdentityHashMap<>();
    private final SidecarCall<HitsAnswer> call;
    private final FinishStep page;
    private volatile Window window;

    /** @param search the client's search as the first pass ran it */
    ReRanking(
        Ticket.Widened ticket,
        SearchRequest search,
        SearchResponse response,
        RerankPipeline pipeline,
        NodeServices node,
        ActionListener<SearchResponse> listener
    ) {
        this.ticket = ticket;
        this.search = search;
        this.response = response;
        this.pipeline = pipeline;
        this.node = node;
        this.listener = listener;
        this.context = node.threadContext().newRestorableContext(true);
        this.requestId = RequestHeaders.requestId(node.threadContext());
        this.window = Window.of(response.getHits().getHits(), ticket.window());
        this.startNanos = node.clock().getAsLong();
        this.deadlineNanos = startNanos + TimeUnit.MILLISECONDS.toNanos(pipeline.deadlineMs(ticket));
        // Reading a hit's source writes to the hit, so it has to be over before the deadline may filter the source for the client.
        readSources();
        this.call = new SidecarCall<>(node.callTools(), pipeline.limits(ticket, deadlineNanos), this);
        this.page = new FinishStep(response, ticket);
    }

    /** Reading the texts takes about a millisecond, too long for a thread that serves the network. */
    void start() {
        call.start();
        if (Transports.isTransportThread(Thread.currentThread())) {
            node.executor().execute(this::begin);
        } else {
            begin();
        }
    }

    private void begin() {
        List<Endpoint> order = node.sidecars().inTurn(pipeline.sidecars());
        Optional<NeighbourRequest> request = neighbours();
        if (request.isEmpty()) {
            ask(order);
            return;
        }
        long halfway = startNanos + (deadlineNanos - startNanos) / 2;
        new NeighbourSearch(request.get(), node, context, pipeline.unheard(halfway), hits -> join(hits, order)).start(order, requestId);
    }

    private Optional<NeighbourRequest> neighbours() {
        NeighbourSettings settings = pipeline.settings().neighbours();
        try {
            return settings == null ? Optional.empty() : NeighbourRequest.of(settings, search, ticket);
        } catch (IOException | RuntimeException e) {
            node.stats().neighbours.failed.increment();
            node.warnings().warn(logger, "the window lacks its neighbours: {}", e.toString());
            return Optional.empty();
        }
    }

    private void join(SearchHit[] neighbours, List<Endpoint> order) {
        if (neighbours.length > 0) {
            window = Window.fused(response.getHits().getHits(), ticket.window(), neighbours);
            readSources();
        }
        ask(order);
    }

    /** Those of the window that were not read yet. */
    private void readSources() {
        for (int i = 0; i < window.size(); i++) {
            sources.computeIfAbsent(window.hits()[i], SearchHit::getSourceRef);
        }
    }

    private void ask(List<Endpoint> order) {
        if (window.size() == 0) {
            skipped(Skip.NO_HITS);
            return;
        }
        try {
            HitsRequest request = HitsRequest.of(ticket, pipeline.profile(ticket), window, sources);
            if (request.hasFields()) {
                int hits = window.size();
                call.ask(
                    new SidecarCall.Question<>(HitsAnswer.PATH, request::body, reply -> HitsAnswer.of(reply, hits), requestId),
                    order
                );
            } else {
                skipped(Skip.NO_FIELDS);
            }
        } catch (IOException | RuntimeException e) {
            // After the deadline the page has left, and nobody misses the question.
            if (call.abandon()) {
                logger.warn("search shows its first-pass page: the sidecar could not be asked", e);
                failed(Failure.INTERNAL);
            }
        }
    }

    @Override
    public void answered(HitsAnswer answer) {
        if (finished.compareAndSet(false, true)) {
            finish(() -> timed(reRankedInTime(answer)));
        }
    }

    @Override
    public void failed(Failure failure) {
        if (finished.compareAndSet(false, true)) {
            finish(() -> timed(firstPass(failure)));
        }
    }

    private void skipped(Skip reason) {
        if (call.abandon() && finished.compareAndSet(false, true)) {
            node.stats().skipped(reason);
            finish(() -> page.firstPass(tookMs(), notApplied(reason.code())));
        }
    }

    /** Counted before the client hears: who reads the statistics after an answer finds it there. */
    private SearchResponse timed(SearchResponse made) {
        node.stats().latency.record(tookNanos());
        return made;
    }

    private SearchResponse reRankedInTime(HitsAnswer answer) throws IOException {
        Ranking ranking = Ranking.of(answer.scores(), window.scores(), pipeline.settings().blend());
        SearchResponse reRanked = page.reRanked(window, ranking, tookMs(), applied(answer));
        if (node.clock().getAsLong() - deadlineNanos >= 0) {
            node.stats().late.increment();
            return firstPass(Failure.DEADLINE);
        }
        node.stats().applied.increment();
        node.stats().neighbours.added.add(window.neighbours());
        return reRanked;
    }

    private SearchResponse firstPass(Failure failure) throws IOException {
        node.stats().failed(failure);
        return page.firstPass(tookMs(), notApplied(failure.code()));
    }

    private void finish(CheckedSupplier<SearchResponse, IOException> way) {
        SearchResponse made;
        try {
            made = way.get();
        } catch (IOException | RuntimeException e) {
            notifying(() -> listener.onFailure(e));
            return;
        }
        notifying(() -> listener.onResponse(made));
    }

    private void notifying(Runnable notification) {
        try (ThreadContext.StoredContext ignored = context.get()) {
            notification.run();
        }
    }

    private RerankAnnotation applied(HitsAnswer answer) {
        return pipeline.settings().annotate()
            ? new RerankAnnotation(true, null, answer.model(), window.size(), tookMs(), answer.readAs(), window.neighbours())
            : null;
    }

    private RerankAnnotation notApplied(String reason) {
        return pipeline.settings().annotate()
            ? new RerankAnnotation(false, reason, null, window.size(), tookMs(), null, 0)
            : null;
    }

    private long tookMs() {
        return TimeUnit.NANOSECONDS.toMillis(tookNanos());
    }

    private long tookNanos() {
        return node.clock().getAsLong() - startNanos;
    }
}
