package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.lucene.search.TotalHits;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.search.ShardSearchFailure;
import org.opensearch.common.settings.Settings;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.action.ActionListener;
import org.opensearch.search.SearchHit;
import org.opensearch.search.SearchHits;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.internal.InternalSearchResponse;
import org.opensearch.search.pipeline.PipelineProcessingContext;

@Timeout(30)
class RerankProcessorTest {
    private static final int DEADLINE_MS = 200;
    private static final String PROFILE = "fast";
    private final AtomicLong nanos = new AtomicLong();
    private final ThreadContext threadContext = new ThreadContext(Settings.EMPTY);
    private final ExecutorService pool = Executors.newSingleThreadExecutor(task -> new Thread(task, "the-pool"));
    private final CompletableFuture<Reply> exchange = new CompletableFuture<>();
    private final CountDownLatch finished = new CountDownLatch(1);
    private final List<SearchResponse> pages = new ArrayList<>();
    private final List<Exception> errors = new ArrayList<>();
    private final RerankStats stats = new RerankStats();
    private volatile String thread;
    private volatile String header;
    private volatile Runnable deadline = () -> {};
    private final List<Runnable> timers = new CopyOnWriteArrayList<>();
    private final CompletableFuture<Reply> embedding = new CompletableFuture<>();
    private final List<String> bodies = new CopyOnWriteArrayList<>();
    private final CompletableFuture<ActionListener<SearchResponse>> neighbours = new CompletableFuture<>();
    private volatile String seeker;
    private final Endpoint endpoint = new Endpoint(URI.create("http://a/v1/hits"), new Transport() {
        @Override
        public CompletableFuture<Reply> post(URI uri, byte[] body, String requestId) {
            bodies.add(new String(body, StandardCharsets.UTF_8));
            return uri.getPath().endsWith("/embed") ? embedding : exchange;
        }

        @Override
        public CompletableFuture<Reply> get(URI uri) {
            throw new AssertionError("a search only posts");
        }

        @Override
        public void close() {}
    });

    @AfterEach
    void stop() {
        pool.shutdownNow();
    }

    private static SearchResponse firstPass(int hits) {
        SearchHit[] found = IntStream.range(0, hits).mapToObj(i -> Hits.of("p" + i, 9 - i, Map.of("name", "shoe"))).toArray(SearchHit[]::new);
        TotalHits total = new TotalHits(hits, TotalHits.Relation.EQUAL_TO);
        InternalSearchResponse sections = new InternalSearchResponse(new SearchHits(found, total, 9), null, null, null, false, null, 1);
        return new SearchResponse(sections, null, 1, 1, 0, 3, ShardSearchFailure.EMPTY_ARRAY, SearchResponse.Clusters.EMPTY);
    }

    private void process(SearchResponse response, Ticket ticket) {
        process(response, ticket, null);
    }

    private void process(SearchResponse response, Ticket ticket, NeighbourSettings near) {
        CallSettings settings = new CallSettings(List.of(endpoint.uri()), PROFILE, DEADLINE_MS, 1, 5, 5, 5, 0, false, near);
        NodeServices node = new NodeServices(
            threadContext,
            pool,
            (ms, task) -> timed(task),
            nanos::get,
            null,
            new InnerSearches(threadContext),
            new Sidecars(ms -> null, each -> {}),
            (request, found) -> {
                seeker = threadContext.getHeader("who");
                neighbours.complete(found);
            },
            new SparseWarnings(nanos::get),
            stats
        );
        PipelineProcessingContext context = new PipelineProcessingContext();
        ticket.keep(context);
        SearchRequest request = new SearchRequest(new String[] { "shop" }, new SearchSourceBuilder());
        new RerankProcessor(null, null, false, new RerankPipeline(settings, true, List.of(endpoint)), node)
            .processResponseAsync(request, response, context, ActionListener.wrap(this::received, errors::add));
    }

    private Runnable timed(Runnable task) {
        if (timers.isEmpty()) {
            deadline = task;
        }
        timers.add(task);
        return () -> {};
    }

    private void received(SearchResponse page) {
        thread = Thread.currentThread().getName();
        header = threadContext.getHeader("who");
        pages.add(page);
        finished.countDown();
    }

    private static Ticket.Widened widened() {
        return widened(false, null, null);
    }

    private static Ticket.Widened widened(boolean enlarged, String profile, Integer deadlineMs) {
        SourceView view = SourceView.of(new SearchSourceBuilder(), List.of("name"));
        Map<String, String> fields = Map.of("title", "name");
        return new Ticket.Widened("red", new Page(0, 2), 5, enlarged, view, fields, 10, profile, deadlineMs, null, false);
    }

    private void answer(String json) {
        exchange.complete(new Reply(200, json.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void thePageLeavesOnTheNodesPoolInTheSearchsContext() throws InterruptedException {
        try (ThreadContext.StoredContext ignored = threadContext.stashContext()) {
            threadContext.putHeader("who", "alice");
            process(firstPass(3), widened());
        }
        answer("{\"scores\":[1,2,3]}");
        finished.await();
        assertEquals("the-pool", thread);
        assertEquals("alice", header);
        assertEquals(List.of("p2", "p1"), Hits.ids(pages.get(0).getHits().getHits()));
        assertEquals(1, stats.applied.sum());
    }

    @Test
    void theClientHearsOnceThoughTheAnswerComesAfterTheDeadline() throws InterruptedException {
        process(firstPass(3), widened());
        deadline.run();
        finished.await();
        answer("{\"scores\":[1,2,3]}");
        CountDownLatch drained = new CountDownLatch(1);
        pool.execute(drained::countDown);
        drained.await();
        assertEquals(1, pages.size());
        assertEquals(List.of("p0", "p1"), Hits.ids(pages.get(0).getHits().getHits()));
        assertEquals(List.of(9f, 8f), Hits.scores(pages.get(0).getHits().getHits()));
        assertEquals(1, stats.failedByReason().get("deadline"));
        assertEquals(1, stats.late.sum());
        assertTrue(errors.isEmpty());
    }

    @Test
    void anAnswerThatIsHandledTooLateLeavesTheFirstPass() throws InterruptedException {
        process(firstPass(3), widened());
        nanos.set(TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS));
        answer("{\"scores\":[1,2,3]}");
        finished.await();
        assertEquals(List.of("p0", "p1"), Hits.ids(pages.get(0).getHits().getHits()));
        assertEquals(List.of(9f, 8f), Hits.scores(pages.get(0).getHits().getHits()));
        assertEquals(9, pages.get(0).getHits().getMaxScore());
        assertEquals(1, stats.failedByReason().get("deadline"));
        assertEquals(1, stats.late.sum());
        assertEquals(0, stats.applied.sum());
    }

    @Test
    void anAnswerOfTheLastMomentIsUsed() throws InterruptedException {
        process(firstPass(3), widened());
        nanos.set(TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS) - 1);
        answer("{\"scores\":[1,2,3]}");
        finished.await();
        assertEquals(List.of("p2", "p1"), Hits.ids(pages.get(0).getHits().getHits()));
        assertEquals(1, stats.applied.sum());
    }

    static Stream<Arguments> theSidecarIsBlamedForADeadlineUnlessTheRequestAskedForMoreOrAllowedLess() {
        return Stream.of(
            arguments(1, widened()),
            arguments(1, widened(false, PROFILE, DEADLINE_MS)),
            arguments(1, widened(false, null, DEADLINE_MS + 1)),
            arguments(0, widened(true, null, null)),
            arguments(0, widened(false, "best", null)),
            arguments(0, widened(false, null, DEADLINE_MS - 1))
        );
    }

    @ParameterizedTest
    @MethodSource
    void theSidecarIsBlamedForADeadlineUnlessTheRequestAskedForMoreOrAllowedLess(int failures, Ticket.Widened ticket) {
        process(firstPass(3), ticket);
        deadline.run();
        assertEquals(failures, endpoint.breaker().failuresInARow());
        assertEquals(1, stats.failedByReason().get("deadline"));
    }

    @Test
    void thePageLeavesAtTheDeadlineThoughTheNodesPoolIsTooBusyToAsk() throws InterruptedException {
        CountDownLatch busy = new CountDownLatch(1);
        pool.execute(() -> await(busy));
        Thread transport = new Thread(() -> process(firstPass(3), widened()), "node[transport_worker][T#1]");
        transport.start();
        transport.join();
        deadline.run();
        assertEquals(List.of("p0", "p1"), Hits.ids(pages.get(0).getHits().getHits()));
        busy.countDown();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void processWithNeighbours(int hits) {
        try (ThreadContext.StoredContext ignored = threadContext.stashContext()) {
            threadContext.putHeader("who", "alice");
            process(firstPass(hits), widened(), new NeighbourSettings("embedding", 5, 0, null));
        }
    }

    private void embed() {
        embedding.complete(new Reply(200, "{\"vectors\":[[1,2]]}".getBytes(StandardCharsets.UTF_8)));
    }

    private static SearchResponse near(String... ids) {
        return near(false, ids);
    }

    private static SearchResponse near(boolean timedOut, String... ids) {
        SearchHit[] found = Stream.of(ids).map(id -> Hits.of(id, 0.9f, Map.of("name", "boot"))).toArray(SearchHit[]::new);
        InternalSearchResponse sections = new InternalSearchResponse(new SearchHits(found, null, 1), null, null, null, timedOut, null, 1);
        return new SearchResponse(sections, null, 1, 1, 0, 3, ShardSearchFailure.EMPTY_ARRAY, SearchResponse.Clusters.EMPTY);
    }

    @Test
    void neighboursJoinTheWindowAndAreSoughtInTheSearchsContext() throws Exception {
        processWithNeighbours(2);
        embed();
        neighbours.get().onResponse(near("p1", "x"));
        answer("{\"scores\":[1,2,3]}");
        finished.await();
        assertEquals("alice", seeker);
        assertEquals("alice", header);
        assertTrue(bodies.get(0).contains("\"texts\":[\"red\"]"));
        assertTrue(bodies.get(1).contains("\"boot\""));
        assertEquals(List.of("x", "p0"), Hits.ids(pages.get(0).getHits().getHits()));
        assertEquals(3, pages.get(0).getHits().getTotalHits().value());
        assertEquals(List.of(1L, 0L, 1L), counts());
    }

    private List<Long> counts() {
        return List.of(stats.neighbours.asked.sum(), stats.neighbours.failed.sum(), stats.neighbours.added.sum());
    }

    @Test
    void whatAVectorSearchFoundBeforeItsTimeWasUpIsUsedAndCounted() throws Exception {
        processWithNeighbours(2);
        embed();
        neighbours.get().onResponse(near(true, "x"));
        answer("{\"scores\":[1,2,3]}");
        finished.await();
        assertEquals(List.of(1L, 1L, 1L), counts());
    }

    @Test
    void aWindowThatTheWordsLeftEmptyIsFilledByNeighbours() throws Exception {
        processWithNeighbours(0);
        embed();
        neighbours.get().onResponse(near("x"));
        answer("{\"scores\":[1]}");
        finished.await();
        assertEquals(List.of("x"), Hits.ids(pages.get(0).getHits().getHits()));
    }

    @Test
    void withoutAVectorTheClientsHitsAreReRankedAlone() throws InterruptedException {
        processWithNeighbours(3);
        embedding.complete(new Reply(422, new byte[0]));
        answer("{\"scores\":[1,2,3]}");
        finished.await();
        assertEquals(List.of("p2", "p1"), Hits.ids(pages.get(0).getHits().getHits()));
        assertEquals(List.of(1L, 1L, 0L), counts());
        assertEquals(0, endpoint.breaker().failuresInARow());
    }

    @Test
    void soTheyAreWhenTheVectorSearchFails() throws Exception {
        processWithNeighbours(3);
        embed();
        neighbours.get().onFailure(new IllegalArgumentException("no such field"));
        answer("{\"scores\":[1,2,3]}");
        finished.await();
        assertEquals(List.of("p2", "p1"), Hits.ids(pages.get(0).getHits().getHits()));
        assertEquals(List.of(1L, 1L, 0L), counts());
    }

    @Test
    void andWhenItTakesTooLong() throws Exception {
        processWithNeighbours(3);
        embed();
        ActionListener<SearchResponse> late = neighbours.get();
        timers.get(1).run();
        late.onResponse(near("x"));
        answer("{\"scores\":[1,2,3]}");
        finished.await();
        assertEquals(List.of("p2", "p1"), Hits.ids(pages.get(0).getHits().getHits()));
        assertEquals(List.of(1L, 1L, 0L), counts());
    }

    @Test
    void aPageThatLeftAtTheDeadlineHasTheClientsHitsAlone() throws Exception {
        processWithNeighbours(3);
        embed();
        neighbours.get().onResponse(near("x"));
        deadline.run();
        finished.await();
        assertEquals(List.of("p0", "p1"), Hits.ids(pages.get(0).getHits().getHits()));
        assertEquals(3, pages.get(0).getHits().getTotalHits().value());
        assertEquals(List.of(1L, 0L, 0L), counts());
    }

    @Test
    void nothingFoundIsNothingToAsk() {
        process(firstPass(0), widened());
        assertEquals(1, stats.skippedByReason().get("no_hits"));
        assertEquals(1, pages.size());
    }

    @Test
    void aSearchThatWasLeftAlonePassesAsItIs() {
        SearchResponse response = firstPass(3);
        process(response, new Ticket.Skipped(Skip.SORT));
        assertSame(response, pages.get(0));
        assertEquals(1, stats.skippedByReason().get("sort"));
    }
}
