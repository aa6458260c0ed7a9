package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.lucene.search.TotalHits;
import org.junit.jupiter.api.Test;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.search.ShardSearchFailure;
import org.opensearch.search.SearchHit;
import org.opensearch.search.SearchHits;
import org.opensearch.search.aggregations.InternalAggregations;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.internal.InternalSearchResponse;
import org.opensearch.search.suggest.Suggest;

class FinishStepTest {
    private static final TotalHits TOTAL = new TotalHits(1234, TotalHits.Relation.GREATER_THAN_OR_EQUAL_TO);
    private static final RerankAnnotation NONE = null;

    private static SearchResponse response(int hits, TotalHits total) {
        SearchHit[] found = IntStream.range(0, hits).mapToObj(i -> Hits.of("p" + i, 100 - i, Map.of("n", i))).toArray(SearchHit[]::new);
        InternalSearchResponse sections = new InternalSearchResponse(
            new SearchHits(found, total, 100),
            InternalAggregations.EMPTY,
            new Suggest(new ArrayList<>()),
            null,
            true,
            false,
            3
        );
        ShardSearchFailure[] failures = { new ShardSearchFailure(new IllegalStateException("shard")) };
        return new SearchResponse(sections, null, 5, 3, 1, 7, null, failures, new SearchResponse.Clusters(1, 1, 0), "pit");
    }

    private static FinishStep step(SearchResponse response, int from, int size) {
        SourceView view = SourceView.of(new SearchSourceBuilder(), List.of("n"));
        Page page = new Page(from, size);
        return new FinishStep(response, new Ticket.Widened("q", page, 4, false, view, Map.of("n", "n"), 10, null, null, null, false));
    }

    private static SearchResponse reRanked(SearchResponse response, int from, int size, int window) throws IOException {
        return step(response, from, size).reRanked(window(response, window), upsideDown(window), 5, NONE);
    }

    private static Window window(SearchResponse response, int size) {
        return Window.of(response.getHits().getHits(), size);
    }

    private static SearchHit[] neighbours(int count) {
        return IntStream.range(0, count).mapToObj(i -> Hits.of("near" + i, 1, Map.of("n", i))).toArray(SearchHit[]::new);
    }

    private static Ranking upsideDown(int window) {
        float[] scores = new float[window];
        for (int i = 0; i < window; i++) {
            scores[i] = i;
        }
        return Ranking.of(scores, scores, 0);
    }

    @Test
    void theFirstPassIsCutToTheClientsPage() throws IOException {
        SearchResponse page = step(response(10, TOTAL), 2, 3).firstPass(5, NONE);
        assertEquals(List.of("p2", "p3", "p4"), Hits.ids(page.getHits().getHits()));
        assertEquals(List.of(98f, 97f, 96f), Hits.scores(page.getHits().getHits()));
        assertEquals(100, page.getHits().getMaxScore());
    }

    @Test
    void theWindowIsReRankedAndTheHitsBehindItFollow() throws IOException {
        SearchResponse page = reRanked(response(6, TOTAL), 1, 10, 4);
        assertEquals(List.of("p2", "p1", "p0", "p4", "p5"), Hits.ids(page.getHits().getHits()));
        assertEquals(List.of(2f, 1f, 0f, -1f, -2f), Hits.scores(page.getHits().getHits()));
        assertEquals(3, page.getHits().getMaxScore());
    }

    @Test
    void hitsThatNeighboursPushOutOfTheWindowFollowItInTheirOrder() throws IOException {
        SearchResponse response = response(6, TOTAL);
        Window window = Window.fused(response.getHits().getHits(), 4, neighbours(2));
        SearchResponse page = step(response, 0, 10).reRanked(window, upsideDown(4), 5, NONE);
        assertEquals(List.of("near1", "p1", "near0", "p0", "p2", "p3", "p4", "p5"), Hits.ids(page.getHits().getHits()));
        assertEquals(List.of(3f, 2f, 1f, 0f, 0f, -1f, -2f, -3f), Hits.scores(page.getHits().getHits()));
        assertSame(TOTAL, page.getHits().getTotalHits());
    }

    @Test
    void theTotalIsNeverLessThanThePagesHold() throws IOException {
        TotalHits two = new TotalHits(2, TotalHits.Relation.EQUAL_TO);
        SearchResponse response = response(2, two);
        Window window = Window.fused(response.getHits().getHits(), 10, neighbours(3));
        assertEquals(new TotalHits(5, TotalHits.Relation.EQUAL_TO), step(response, 0, 1).reRanked(window, upsideDown(5), 5, NONE).getHits().getTotalHits());
        assertEquals(two, step(response, 0, 1).firstPass(5, NONE).getHits().getTotalHits());
    }

    @Test
    void aTotalThatWasNotCountedToItsEndSaysNoLessThanItDid() throws IOException {
        TotalHits atLeastTwo = new TotalHits(2, TotalHits.Relation.GREATER_THAN_OR_EQUAL_TO);
        SearchResponse response = response(4, atLeastTwo);
        Window window = Window.fused(response.getHits().getHits(), 4, neighbours(1));
        assertSame(atLeastTwo, step(response, 0, 1).reRanked(window, upsideDown(4), 5, NONE).getHits().getTotalHits());
    }

    @Test
    void theFirstPassCanStillBeShownAfterItWasReRanked() throws IOException {
        SearchResponse response = response(6, TOTAL);
        FinishStep step = step(response, 0, 6);
        step.reRanked(window(response, 4), upsideDown(4), 5, NONE);
        SearchResponse page = step.firstPass(5, NONE);
        assertEquals(List.of("p0", "p1", "p2", "p3", "p4", "p5"), Hits.ids(page.getHits().getHits()));
        assertEquals(List.of(100f, 99f, 98f, 97f, 96f, 95f), Hits.scores(page.getHits().getHits()));
        assertEquals(100, page.getHits().getMaxScore());
    }

    @Test
    void everythingElseIsKeptAndTookGrows() throws IOException {
        SearchResponse old = response(10, TOTAL);
        SearchResponse page = reRanked(old, 0, 3, 4);
        assertEquals(12, page.getTook().millis());
        assertSame(TOTAL, page.getHits().getTotalHits());
        assertSame(old.getAggregations(), page.getAggregations());
        assertSame(old.getSuggest(), page.getSuggest());
        assertSame(old.getShardFailures(), page.getShardFailures());
        assertSame(old.getClusters(), page.getClusters());
        assertEquals("pit", page.pointInTimeId());
        assertEquals(List.of(5, 3, 1), List.of(page.getTotalShards(), page.getSuccessfulShards(), page.getSkippedShards()));
        assertEquals(true, page.isTimedOut());
        assertEquals(false, page.isTerminatedEarly());
        assertEquals(3, page.getNumReducePhases());
    }

    @Test
    void untrackedTotalsAndShortListsAreNoProblem() throws IOException {
        SearchResponse page = reRanked(response(2, null), 0, 10, 2);
        assertEquals(List.of("p1", "p0"), Hits.ids(page.getHits().getHits()));
        assertNull(page.getHits().getTotalHits());
        assertEquals(List.of(), Hits.ids(step(response(2, null), 3, 10).firstPass(0, NONE).getHits().getHits()));
    }

    @Test
    void anAnnotationIsAddedToTheOthers() throws IOException {
        RerankAnnotation annotation = new RerankAnnotation(true, null, "fast-1", 4, 5, null, 0);
        SearchResponse page = step(response(2, TOTAL), 0, 10).firstPass(5, annotation);
        assertEquals(List.of(annotation), page.getInternalResponse().getSearchExtBuilders());
    }
}
