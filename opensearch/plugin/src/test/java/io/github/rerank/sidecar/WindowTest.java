package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.opensearch.search.SearchHit;

class WindowTest {
    private static SearchHit[] hits(String... ids) {
        return Arrays.stream(ids).map(id -> Hits.of(id, 9 - id.charAt(0) + 'a', Map.of())).toArray(SearchHit[]::new);
    }

    private static SearchHit inIndex(String index) {
        return Hits.of(Map.of("id", "a", "index", index, "score", 1, "source", Map.of()));
    }

    @Test
    void theClientsOwnWindowHasItsHitsAndScores() {
        Window window = Window.of(hits("a", "b", "c"), 2);
        assertEquals(List.of("a", "b", "c"), Hits.ids(window.hits()));
        assertEquals(2, window.size());
        assertArrayEquals(new float[] { 9, 8 }, window.scores());
        assertEquals(3, Window.of(hits("a", "b", "c"), 10).size());
    }

    @Test
    void whatBothFoundComesFirstAndIsTheClientsHit() {
        SearchHit[] own = hits("a", "b", "c");
        Window window = Window.fused(own, 10, hits("c", "x"));
        assertEquals(List.of("c", "a", "b", "x"), Hits.ids(window.hits()));
        assertSame(own[2], window.hits()[0]);
        assertEquals(1, window.neighbours());
        assertArrayEquals(new float[] { 1 / 61f + 1 / 63f, 1 / 61f, 1 / 62f, 1 / 62f }, window.scores(), 1e-7f);
    }

    @Test
    void theWindowStaysAsLargeAsItIsAndTheOthersFollowIt() {
        Window window = Window.fused(hits("a", "b", "c", "d"), 3, hits("x", "y", "d"));
        assertEquals(List.of("a", "x", "b", "c", "d"), Hits.ids(window.hits()));
        assertEquals(3, window.size());
        assertEquals(1, window.neighbours());
    }

    @Test
    void whatIsInItDoesNotDependOnHowManyHitsThePageNeeds() {
        Window ofTheFirstPage = Window.fused(hits("a", "b", "c"), 3, hits("d", "x"));
        Window ofALaterPage = Window.fused(hits("a", "b", "c", "d", "e"), 3, hits("d", "x"));
        assertEquals(
            Hits.ids(ofTheFirstPage.hits()).subList(0, 3),
            Hits.ids(ofALaterPage.hits()).subList(0, 3)
        );
    }

    @Test
    void aNeighbourThatTheClientFoundBehindTheWindowIsThereOnce() {
        Window window = Window.fused(hits("a", "b", "c", "d", "e"), 3, hits("d"));
        assertEquals(List.of("a", "d", "b", "c", "e"), Hits.ids(window.hits()));
    }

    @Test
    void documentsOfTwoIndicesAreTwoThoughTheirIdsAreOne() {
        assertEquals(2, Window.fused(new SearchHit[] { inIndex("one") }, 10, new SearchHit[] { inIndex("two") }).size());
    }

    @Test
    void neighboursAloneAreAWindow() {
        Window window = Window.fused(hits(), 10, hits("x"));
        assertEquals(List.of("x"), Hits.ids(window.hits()));
        assertEquals(1, window.neighbours());
    }
}
