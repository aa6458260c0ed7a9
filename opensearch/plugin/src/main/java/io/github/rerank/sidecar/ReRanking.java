package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.common.CheckedFunction;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.action.ActionListener;
import org.opensearch.search.SearchHit;
import org.opensearch.transport.Transports;

/**
 * The re-ranking of one search, from the end of the first pass to the page. Every way through it ends in {@link FinishStep}, the
 * listener hears once, and what comes after the search runs in the search's own thread context.
 */
final class ReRanking implements SidecarCall.Listener {
    private static final Logger logger = LogManager.getLogger(ReRanking.class);

    private final long startNanos = System.nanoTime();
    private final Ticket.Widened ticket;
    private final SearchResponse response;
    private final CallSettings settings;
    private final List<Endpoint> sidecars;
    private final NodeServices node;
    private final ActionListener<SearchResponse> listener;
    private final Supplier<ThreadContext.StoredContext> context;
    private final AtomicBoolean finished = new AtomicBoolean();
    private final int window;

    ReRanking(
        Ticket.Widened ticket,
        SearchResponse response,
        CallSettings settings,
        List<Endpoint> sidecars,
        NodeServices node,
        ActionListener<SearchResponse> listener
    ) {
        this.ticket = ticket;
        this.response = response;
        this.settings = settings;
        this.sidecars = sidecars;
        this.node = node;
        this.listener = listener;
        this.context = node.threadContext().newRestorableContext(true);
        this.window = Math.min(ticket.window(), response.getHits().getHits().length);
    }

    /** Reading the texts takes about a millisecond, too long for a thread that serves the network. */
    void start() {
        if (Transports.isTransportThread(Thread.currentThread())) {
            node.executor().execute(this::ask);
        } else {
            ask();
        }
    }

    private void ask() {
        if (window == 0) {
            skipped(Skip.NO_HITS);
            return;
        }
        try {
            HitsRequest request = HitsRequest.of(ticket, profile(), response.getHits().getHits(), window);
            if (request.hasFields()) {
                call(request);
            } else {
                skipped(Skip.NO_FIELDS);
            }
        } catch (IOException | RuntimeException e) {
            logger.warn("search shows its first-pass page: the sidecar could not be asked", e);
            failed(Failure.INTERNAL);
        }
    }

    private void call(HitsRequest request) {
        String requestId = RequestHeaders.requestId(node.threadContext());
        List<Endpoint> order = node.sidecars().inTurn(sidecars);
        new SidecarCall(node.callTools(), limits(), order, request::body, window, requestId, this).start();
    }

    private SidecarCall.Limits limits() {
        int deadlineMs = ticket.deadlineMs() == null ? settings.deadlineMs() : ticket.deadlineMs();
        return new SidecarCall.Limits(
            startNanos + TimeUnit.MILLISECONDS.toNanos(deadlineMs),
            deadlineMs >= settings.deadlineMs(),
            settings.maxInFlight(),
            settings.failures(),
            settings.openMs()
        );
    }

    private String profile() {
        return ticket.profile() == null ? settings.profile() : ticket.profile();
    }

    @Override
    public void answered(HitsAnswer answer) {
        Ranking ranking = Ranking.of(answer.scores(), firstPassScores(), settings.blend());
        if (finished.compareAndSet(false, true)) {
            node.stats().applied.increment();
            finish(step -> step.reRanked(ranking, tookMs(), annotation(true, null, answer.model())));
            node.stats().latency.record(System.nanoTime() - startNanos);
        }
    }

    @Override
    public void failed(Failure failure) {
        if (finished.compareAndSet(false, true)) {
            node.stats().failed(failure);
            finish(step -> step.firstPass(tookMs(), annotation(false, failure.code(), null)));
            node.stats().latency.record(System.nanoTime() - startNanos);
        }
    }

    private void skipped(Skip reason) {
        if (finished.compareAndSet(false, true)) {
            node.stats().skipped(reason);
            finish(step -> step.firstPass(tookMs(), annotation(false, reason.code(), null)));
        }
    }

    private void finish(CheckedFunction<FinishStep, SearchResponse, IOException> way) {
        SearchResponse page;
        try {
            page = way.apply(new FinishStep(response, ticket));
        } catch (IOException | RuntimeException e) {
            notifying(() -> listener.onFailure(e));
            return;
        }
        notifying(() -> listener.onResponse(page));
    }

    private void notifying(Runnable notification) {
        try (ThreadContext.StoredContext ignored = context.get()) {
            notification.run();
        }
    }

    private float[] firstPassScores() {
        SearchHit[] hits = response.getHits().getHits();
        float[] scores = new float[window];
        for (int i = 0; i < window; i++) {
            scores[i] = hits[i].getScore();
        }
        return scores;
    }

    private RerankAnnotation annotation(boolean applied, String reason, String model) {
        return settings.annotate() ? new RerankAnnotation(applied, reason, model, window, tookMs()) : null;
    }

    private long tookMs() {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - startNanos);
    }
}
