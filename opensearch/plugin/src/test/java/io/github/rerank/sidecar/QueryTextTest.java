package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.MatchQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilders;

class QueryTextTest {
    @TestFactory
    Stream<DynamicTest> textIsTakenByClauseName() throws IOException {
        return Contract.cases("query_text.json").stream().map(each -> dynamicTest((String) each.get("name"), () -> {
            assertEquals(each.get("text"), QueryText.of(new RawQuery(Contract.object(each, "query")), 100));
        }));
    }

    @Test
    void realBuildersAreReadLikeTheirSerialisedForm() throws IOException {
        BoolQueryBuilder query = QueryBuilders.boolQuery()
            .filter(new MatchQueryBuilder("shop", "outlet"))
            .must(QueryBuilders.boolQuery().should(new MatchQueryBuilder("title", "red shoe")))
            .should(QueryBuilders.functionScoreQuery(QueryBuilders.multiMatchQuery("halden", "brand")));
        assertEquals("red shoe halden", QueryText.of(query, 100));
    }

    @Test
    void aMissingQueryHasNoText() throws IOException {
        assertEquals("", QueryText.of(null, 100));
    }

    @Test
    void halfACharacterDoesNotLeaveTheNode() throws IOException {
        assertEquals("red\uFFFD shoe \uD83D\uDC5F\uFFFD", QueryText.of(new MatchQueryBuilder("title", "red\uD83D shoe \uD83D\uDC5F\uDC5F"), 100));
    }

    @Test
    void longTextIsCutWithoutPartingASurrogatePair() throws IOException {
        assertEquals("red", QueryText.of(new MatchQueryBuilder("title", "red\uD83D\uDC5F shoe"), 4));
    }
}
