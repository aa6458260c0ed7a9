package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.index.query.QueryBuilders;
import org.opensearch.script.Script;
import org.opensearch.search.builder.PointInTimeBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.collapse.CollapseBuilder;
import org.opensearch.search.fetch.StoredFieldsContext;
import org.opensearch.search.rescore.QueryRescorerBuilder;
import org.opensearch.search.slice.SliceBuilder;
import org.opensearch.search.sort.ScoreSortBuilder;
import org.opensearch.search.sort.SortOrder;

class EligibilityTest {
    private static final Script SCRIPT = new Script("1");

    private static SearchRequest request(SearchSourceBuilder source) {
        return new SearchRequest(new String[] { "shop" }, source);
    }

    private static SearchSourceBuilder source() {
        return new SearchSourceBuilder().query(QueryBuilders.matchQuery("title", "red shoe"));
    }

    static Stream<Arguments> leftAlone() {
        return Stream.of(
            arguments(Skip.POINT_IN_TIME, source().pointInTimeBuilder(new PointInTimeBuilder("id"))),
            arguments(Skip.SEARCH_AFTER, source().sort("price").searchAfter(new Object[] { 1 })),
            arguments(Skip.SLICE, source().slice(new SliceBuilder(0, 2))),
            arguments(Skip.SIZE_0, source().size(0)),
            arguments(Skip.SORT, source().sort("price")),
            arguments(Skip.SORT, source().sort("_score").sort("price")),
            arguments(Skip.SORT, source().sort(new ScoreSortBuilder().order(SortOrder.ASC))),
            arguments(Skip.COLLAPSE, source().collapse(new CollapseBuilder("group"))),
            arguments(Skip.RESCORE, source().addRescorer(new QueryRescorerBuilder(QueryBuilders.matchAllQuery()))),
            arguments(Skip.TERMINATE_AFTER, source().terminateAfter(10)),
            arguments(Skip.STORED_FIELDS_NONE, source().storedFields(StoredFieldsContext.fromList(java.util.List.of("_none_")))),
            arguments(Skip.SCRIPT_FIELDS, source().scriptField("twice", SCRIPT)),
            arguments(Skip.SCRIPT_FIELDS, source().scriptField("twice", SCRIPT, true).scriptField("thrice", SCRIPT, false))
        );
    }

    @ParameterizedTest
    @MethodSource
    void leftAlone(Skip reason, SearchSourceBuilder source) {
        assertEquals(reason, Eligibility.check(request(source)));
    }

    @Test
    void aReadersPageIsEligible() {
        assertNull(Eligibility.check(request(source())));
        assertNull(Eligibility.check(request(source().sort("_score"))));
        assertNull(Eligibility.check(request(source().from(30).size(5).trackTotalHits(false).minScore(1).profile(true))));
    }

    @Test
    void scriptsWhoseFailuresAreIgnoredCannotFailASearch() {
        assertNull(Eligibility.check(request(source().scriptField("twice", SCRIPT, true).scriptField("thrice", SCRIPT, true))));
    }

    @Test
    void aScrollIsLeftAlone() {
        assertEquals(Skip.SCROLL, Eligibility.check(request(source()).scroll(TimeValue.timeValueMinutes(1))));
    }

    @Test
    void aSearchOfAnotherClusterIsLeftAlone() {
        assertEquals(Skip.CROSS_CLUSTER, Eligibility.check(new SearchRequest(new String[] { "shop", "europe:shop" }, source())));
        assertNull(Eligibility.check(new SearchRequest(new String[] { "<logs-{now/d{yyyy|+12:00}}>" }, source())));
    }
}
