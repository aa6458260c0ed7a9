package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.opensearch.index.query.QueryBuilders.boolQuery;
import static org.opensearch.index.query.QueryBuilders.boostingQuery;
import static org.opensearch.index.query.QueryBuilders.constantScoreQuery;
import static org.opensearch.index.query.QueryBuilders.disMaxQuery;
import static org.opensearch.index.query.QueryBuilders.existsQuery;
import static org.opensearch.index.query.QueryBuilders.functionScoreQuery;
import static org.opensearch.index.query.QueryBuilders.matchAllQuery;
import static org.opensearch.index.query.QueryBuilders.matchPhraseQuery;
import static org.opensearch.index.query.QueryBuilders.matchQuery;
import static org.opensearch.index.query.QueryBuilders.multiMatchQuery;
import static org.opensearch.index.query.QueryBuilders.nestedQuery;
import static org.opensearch.index.query.QueryBuilders.queryStringQuery;
import static org.opensearch.index.query.QueryBuilders.simpleQueryStringQuery;
import static org.opensearch.index.query.QueryBuilders.termQuery;

import java.io.IOException;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.lucene.search.join.ScoreMode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;

class ClientFiltersTest {
    private static final QueryBuilder WORDS = matchQuery("title", "red shoe");
    private static final QueryBuilder STOCK = termQuery("stock", true);
    private static final QueryBuilder SHOP = termQuery("shop", "outlet");
    private static final QueryBuilder SOLD = existsQuery("sold");

    private static Optional<BoolQueryBuilder> demands(QueryBuilder query) throws IOException {
        return ClientFilters.of(new SearchSourceBuilder().query(query));
    }

    static Stream<QueryBuilder> words() {
        return Stream.of(
            WORDS,
            multiMatchQuery("red shoe", "title", "brand"),
            queryStringQuery("red shoe"),
            queryStringQuery("red shoe! t-shirt"),
            simpleQueryStringQuery("red  t-shirt"),
            simpleQueryStringQuery("shoe 4:3 red--blue"),
            matchAllQuery(),
            boolQuery().must(WORDS).should(matchPhraseQuery("title", "Red shoe")),
            boolQuery().should(WORDS).should(termQuery("sku", "red shoe")),
            boolQuery().should(WORDS).should(matchQuery("brand", "acme")).minimumShouldMatch(1),
            boolQuery().should(WORDS).should(matchPhraseQuery("title", "red shoe")).minimumShouldMatch(2),
            disMaxQuery().add(WORDS).add(constantScoreQuery(matchQuery("brand", "acme"))),
            boostingQuery(WORDS, STOCK),
            functionScoreQuery(boolQuery().must(WORDS))
        );
    }

    @ParameterizedTest
    @MethodSource("words")
    void wordsAreNoDemand(QueryBuilder query) throws IOException {
        assertFalse(demands(query).orElseThrow().hasClauses());
    }

    @Test
    void aSearchWithoutAQueryDemandsNothing() throws IOException {
        assertFalse(demands(null).orElseThrow().hasClauses());
    }

    @Test
    void filtersAndClausesWithoutTextAreDemandsWhereverTheyStand() throws IOException {
        BoolQueryBuilder inner = boolQuery().must(WORDS).must(SHOP).mustNot(SOLD);
        QueryBuilder query = boolQuery().must(functionScoreQuery(inner)).filter(STOCK);
        assertEquals(boolQuery().filter(STOCK).filter(SHOP).mustNot(SOLD), demands(query).orElseThrow());
    }

    @Test
    void aFilterBehindTheAggregationsIsADemandToo() throws IOException {
        SearchSourceBuilder source = new SearchSourceBuilder().query(WORDS).postFilter(STOCK);
        assertEquals(boolQuery().filter(STOCK), ClientFilters.of(source).orElseThrow());
    }

    @Test
    void alternativesOfWhichSomeHaveToMatchAreADemand() throws IOException {
        QueryBuilder query = boolQuery().must(WORDS).should(SHOP).should(STOCK).minimumShouldMatch(1);
        assertEquals(boolQuery().filter(boolQuery().should(SHOP).should(STOCK).minimumShouldMatch(1)), demands(query).orElseThrow());
    }

    static Stream<QueryBuilder> others() {
        return Stream.of(
            boolQuery().must(WORDS).must(matchQuery("shop", "outlet")),
            boolQuery().must(matchQuery("stock", "true")).should(WORDS),
            boolQuery().should(matchQuery("stock", "true")).should(WORDS).minimumShouldMatch(2),
            boolQuery().must(WORDS).must(new RawVector()),
            boolQuery().should(boolQuery().must(WORDS).filter(STOCK)).should(boolQuery().must(WORDS).filter(SHOP)),
            boolQuery().should(boolQuery().must(matchQuery("title", "\ud83d\udc5f shoe")).filter(STOCK)),
            boolQuery().should(WORDS).should(STOCK).minimumShouldMatch(2),
            boolQuery().must(WORDS).should(matchQuery("brand", "acme")).minimumShouldMatch(1),
            disMaxQuery().add(boolQuery().must(WORDS).filter(STOCK)).add(WORDS),
            functionScoreQuery(WORDS).setMinScore(2),
            nestedQuery("offers", WORDS, ScoreMode.Max),
            queryStringQuery("shoe AND brand:acme"),
            queryStringQuery("shoe gr\u00f6\u00dfe:42"),
            queryStringQuery("shoe!leather"),
            queryStringQuery("shoe >10"),
            simpleQueryStringQuery("shoe -leather"),
            simpleQueryStringQuery("shoe+-leather"),
            simpleQueryStringQuery("shoe ---leather"),
            new RawVector()
        );
    }

    @ParameterizedTest
    @MethodSource("others")
    void aQueryThatIsNotUnderstoodGetsNone(QueryBuilder query) throws IOException {
        assertEquals(Optional.empty(), demands(query));
    }

    @Test
    void norDoesALeastScore() throws IOException {
        assertEquals(Optional.empty(), ClientFilters.of(new SearchSourceBuilder().query(WORDS).minScore(3)));
    }

    /** Another plugin's clause. */
    private static final class RawVector extends org.opensearch.index.query.WrapperQueryBuilder {
        RawVector() {
            super("{\"knn\":{}}");
        }

        @Override
        public String getName() {
            return "knn";
        }
    }
}
