package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.lucene.search.TotalHits;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.search.SearchExtBuilder;
import org.opensearch.search.SearchHit;
import org.opensearch.search.SearchHits;
import org.opensearch.search.aggregations.InternalAggregations;
import org.opensearch.search.internal.InternalSearchResponse;
import org.opensearch.search.profile.ProfileShardResult;
import org.opensearch.search.profile.SearchProfileShardResults;

/**
 * The one way out of a widened search. Whether the window was re-ordered or not, the hits are cut to the client's page,
 * {@code _source} is brought back to what the client asked for, and everything else of the response is kept. The first pass's
 * page can still be made after the re-ranked one.
 */
final class FinishStep {
    private final SearchResponse response;
    private final Ticket.Widened ticket;
    private final float[] firstPassScores;

    FinishStep(SearchResponse response, Ticket.Widened ticket) {
        this.response = response;
        this.ticket = ticket;
        SearchHit[] hits = response.getHits().getHits();
        this.firstPassScores = new float[hits.length];
        for (int i = 0; i < hits.length; i++) {
            firstPassScores[i] = hits[i].getScore();
        }
    }

    /** The page of the same search without the pipeline. */
    SearchResponse firstPass(long addedMs, RerankAnnotation annotation) throws IOException {
        SearchHit[] hits = response.getHits().getHits();
        for (int i = 0; i < hits.length; i++) {
            hits[i].score(firstPassScores[i]);
        }
        return page(hits, response.getHits().getTotalHits(), response.getHits().getMaxScore(), addedMs, annotation);
    }

    SearchResponse reRanked(Window window, Ranking ranking, long addedMs, RerankAnnotation annotation) throws IOException {
        return page(reordered(window, ranking), total(window), ranking.best(), addedMs, annotation);
    }

    /**
     * The client's own, unless neighbours make the pages longer than it says: nobody would turn to those. One that stopped counting
     * says nothing of the sort.
     */
    private TotalHits total(Window window) {
        TotalHits own = response.getHits().getTotalHits();
        boolean exact = own != null && own.relation() == TotalHits.Relation.EQUAL_TO;
        boolean longer = exact && window.neighbours() > 0 && own.value() < window.size();
        return longer ? new TotalHits(window.size(), TotalHits.Relation.EQUAL_TO) : own;
    }

    /**
     * Hits behind the window keep their order and their distances; all are moved by one amount so that the scores of the page
     * go on falling where the window ends.
     */
    private static SearchHit[] reordered(Window window, Ranking ranking) {
        SearchHit[] hits = window.hits();
        SearchHit[] reordered = hits.clone();
        double shift = ranking.worst() - (double) lastScore(window);
        for (int i = window.size(); i < hits.length; i++) {
            double moved = hits[i].getScore() + shift;
            hits[i].score(Double.isFinite(moved) ? (float) moved : ranking.worst());
        }
        for (int rank = 0; rank < window.size(); rank++) {
            int position = ranking.order()[rank];
            reordered[rank] = hits[position];
            reordered[rank].score(ranking.scores()[position]);
        }
        return reordered;
    }

    /** Of the window, as far as the hits behind it can be compared with it: a neighbour's score is of another kind. */
    private static float lastScore(Window window) {
        float last = window.hits()[window.size() - 1].getScore();
        return window.size() < window.hits().length ? Math.max(last, window.hits()[window.size()].getScore()) : last;
    }

    private SearchResponse page(SearchHit[] hits, TotalHits total, float maxScore, long addedMs, RerankAnnotation annotation)
        throws IOException {
        SearchHit[] page = ticket.page().slice(hits);
        for (SearchHit hit : page) {
            ticket.source().restore(hit);
        }
        SearchHits old = response.getHits();
        SearchHits cut = new SearchHits(
            page,
            total,
            maxScore,
            old.getSortFields(),
            old.getCollapseField(),
            old.getCollapseValues()
        );
        return rebuilt(response, cut, ticket.profiled(), addedMs, annotation);
    }

    /** The same response with an annotation, for a search that was left alone. */
    static SearchResponse annotated(SearchResponse response, boolean profiled, RerankAnnotation annotation) {
        return rebuilt(response, response.getHits(), profiled, 0, annotation);
    }

    private static SearchResponse rebuilt(
        SearchResponse old,
        SearchHits hits,
        boolean profiled,
        long addedMs,
        RerankAnnotation annotation
    ) {
        InternalSearchResponse sections = new InternalSearchResponse(
            hits,
            (InternalAggregations) old.getAggregations(),
            old.getSuggest(),
            profiled ? profile(old.getProfileResults()) : null,
            old.isTimedOut(),
            old.isTerminatedEarly(),
            old.getNumReducePhases(),
            exts(old, annotation),
            old.getInternalResponse().getProcessorResult()
        );
        return new SearchResponse(
            sections,
            old.getScrollId(),
            old.getTotalShards(),
            old.getSuccessfulShards(),
            old.getSkippedShards(),
            old.getTook().millis() + addedMs,
            old.getPhaseTook(),
            old.getShardFailures(),
            old.getClusters(),
            old.pointInTimeId()
        );
    }

    private static SearchProfileShardResults profile(Map<String, ProfileShardResult> results) {
        return new SearchProfileShardResults(results);
    }

    private static List<SearchExtBuilder> exts(SearchResponse old, RerankAnnotation annotation) {
        List<SearchExtBuilder> exts = new ArrayList<>(old.getInternalResponse().getSearchExtBuilders());
        if (annotation != null) {
            exts.add(annotation);
        }
        return exts;
    }
}
