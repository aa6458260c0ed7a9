package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
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
final class ReRanking implements SidecarCall.Listener {
    private static final Logger logger = LogManager.getLogger(ReRanking.class);

    private final Ticket.Widened ticket;
    private final SearchResponse response;
    private final CallSettings settings;
    private final boolean stored;
    private final List<Endpoint> sidecars;
    private final NodeServices node;
    private final ActionListener<SearchResponse> listener;
    private final Supplier<ThreadContext.StoredContext> context;
    private final AtomicBoolean finished = new AtomicBoolean();
    private final int window;
    private final long startNanos;
    private final long deadlineNanos;
    private final BytesReference[] sources;
    private final SidecarCall call;
    private final FinishStep page;

    ReRanking(
        Ticket.Widened ticket,
        SearchResponse response,
        CallSettings settings,
        boolean stored,
        List<Endpoint> sidecars,
        NodeServices node,
        ActionListener<SearchResponse> listener
    ) {
        this.ticket = ticket;
        this.response = response;
        this.settings = settings;
        this.stored = stored;
        this.sidecars = sidecars;
        this.node = node;
        this.listener = listener;
        this.context = node.threadContext().newRestorableContext(true);
        this.window = Math.min(ticket.window(), response.getHits().getHits().length);
        this.startNanos = node.clock().getAsLong();
        this.deadlineNanos = startNanos + TimeUnit.MILLISECONDS.toNanos(deadlineMs());
        // Reading a hit's source writes to the hit, so it has to be over before the deadline may filter the source for the client.
        this.sources = HitsRequest.sources(response.getHits().getHits(), window);
        this.call = new SidecarCall(node.callTools(), limits(), this);
        this.page = new FinishStep(response, ticket);
    }

    /** Reading the texts takes about a millisecond, too long for a thread that serves the network. */
    void start() {
        call.start();
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
            HitsRequest request = HitsRequest.of(ticket, profile(), response.getHits().getHits(), sources);
            if (request.hasFields()) {
                call.ask(new SidecarCall.Question(request::body, window, requestId()), node.sidecars().inTurn(sidecars));
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

    private String requestId() {
        return RequestHeaders.requestId(node.threadContext());
    }

    private int deadlineMs() {
        return ticket.deadlineMs() == null ? settings.deadlineMs() : ticket.deadlineMs();
    }

    private SidecarCall.Limits limits() {
        return new SidecarCall.Limits(
            deadlineNanos,
            blame(),
            settings.maxInFlight(),
            settings.failures(),
            settings.openMs()
        );
    }

    private SidecarCall.Blame blame() {
        if (stored == false) {
            return SidecarCall.Blame.NONE;
        }
        boolean ownProfile = Objects.equals(profile(), settings.profile()) == false;
        boolean asksForMore = deadlineMs() < settings.deadlineMs() || ticket.enlarged() || ownProfile;
        return asksForMore ? SidecarCall.Blame.NOT_SLOWNESS : SidecarCall.Blame.ALL;
    }

    private String profile() {
        return ticket.profile() == null ? settings.profile() : ticket.profile();
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
        Ranking ranking = Ranking.of(answer.scores(), firstPassScores(), settings.blend());
        SearchResponse reRanked = page.reRanked(ranking, tookMs(), applied(answer));
        if (node.clock().getAsLong() - deadlineNanos >= 0) {
            node.stats().late.increment();
            return firstPass(Failure.DEADLINE);
        }
        node.stats().applied.increment();
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

    private float[] firstPassScores() {
        SearchHit[] hits = response.getHits().getHits();
        float[] scores = new float[window];
        for (int i = 0; i < window; i++) {
            scores[i] = hits[i].getScore();
        }
        return scores;
    }

    private RerankAnnotation applied(HitsAnswer answer) {
        return settings.annotate() ? new RerankAnnotation(true, null, answer.model(), window, tookMs(), answer.readAs()) : null;
    }

    private RerankAnnotation notApplied(String reason) {
        return settings.annotate() ? new RerankAnnotation(false, reason, null, window, tookMs(), null) : null;
    }

    private long tookMs() {
        return TimeUnit.NANOSECONDS.toMillis(tookNanos());
    }

    private long tookNanos() {
        return node.clock().getAsLong() - startNanos;
    }
}
