package io.github.rerank.sidecar;

import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.opensearch.search.SearchHit;

/**
 * The hits that a page is cut from.
 *
 * @param hits in the order of the first pass
 * @param size how many of them, from the first on, are re-ranked
 * @param scores first-pass scores of these
 * @param neighbours how many of these the client's own search did not bring
 */
record Window(SearchHit[] hits, int size, float[] scores, int neighbours) {
    /** The constant of reciprocal rank fusion (Cormack, Clarke, Buettcher: Reciprocal rank fusion, SIGIR 2009). */
    private static final float RANK_CONSTANT = 60;

    /** The client's own hits. */
    static Window of(SearchHit[] hits, int window) {
        int size = Math.min(window, hits.length);
        float[] scores = new float[size];
        for (int i = 0; i < size; i++) {
            scores[i] = hits[i].getScore();
        }
        return new Window(hits, size, scores, 0);
    }

    /**
     * The best of the client's first {@code window} hits and of the neighbours, by reciprocal rank fusion; then those hits of the
     * client that found no place, in their order. What is in the window does not depend on the page.
     */
    static Window fused(SearchHit[] hits, int window, SearchHit[] neighbours) {
        Map<Id, Candidate> candidates = new LinkedHashMap<>();
        add(candidates, hits, Math.min(window, hits.length), false);
        add(candidates, neighbours, neighbours.length, true);
        List<Candidate> best = candidates.values().stream().sorted(Comparator.comparingDouble(each -> -each.score)).limit(window).toList();
        // By id: a neighbour may be one of the client's hits behind the window.
        Set<Id> placed = best.stream().map(each -> Id.of(each.hit)).collect(Collectors.toSet());
        Stream<SearchHit> others = Arrays.stream(hits).filter(hit -> placed.contains(Id.of(hit)) == false);
        return new Window(
            Stream.concat(best.stream().map(each -> each.hit), others).toArray(SearchHit[]::new),
            best.size(),
            scores(best),
            (int) best.stream().filter(each -> each.added).count()
        );
    }

    private static void add(Map<Id, Candidate> candidates, SearchHit[] hits, int count, boolean added) {
        for (int i = 0; i < count; i++) {
            SearchHit hit = hits[i];
            candidates.computeIfAbsent(Id.of(hit), unseen -> new Candidate(hit, added)).score += 1 / (RANK_CONSTANT + i + 1);
        }
    }

    private static float[] scores(List<Candidate> candidates) {
        float[] scores = new float[candidates.size()];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = candidates.get(i).score;
        }
        return scores;
    }

    private record Id(String index, String id) {
        static Id of(SearchHit hit) {
            return new Id(hit.getIndex(), hit.getId());
        }
    }

    private static final class Candidate {
        private final SearchHit hit;
        private final boolean added;
        private float score;

        Candidate(SearchHit hit, boolean added) {
            this.hit = hit;
            this.added = added;
        }
    }
}
