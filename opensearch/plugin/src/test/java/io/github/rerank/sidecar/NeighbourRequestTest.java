package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilders;
import org.opensearch.index.query.WrapperQueryBuilder;
import org.opensearch.search.aggregations.AggregationBuilders;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.fetch.subphase.highlight.HighlightBuilder;

class NeighbourRequestTest {
    private static final NeighbourSettings SETTINGS = new NeighbourSettings("embedding", 30, 0.5, "bge");
    private static final QueryVector VECTOR = new QueryVector(List.of(0.5, -1.0));

    private static SearchRequest nearest(SearchRequest client) throws IOException {
        NeighbourRequest request = NeighbourRequest.of(SETTINGS, client, ticket("red shoe", 100)).orElseThrow();
        return request.nearest(VECTOR, TimeValue.timeValueMillis(90));
    }

    private static Ticket.Widened ticket(String text, int window) {
        SourceView view = SourceView.of(new SearchSourceBuilder(), List.of("name"));
        return new Ticket.Widened(text, new Page(0, 10), window, false, view, Map.of("title", "name"), 10, null, null, null, false);
    }

    private static SearchRequest client(SearchSourceBuilder source) {
        return new SearchRequest(new String[] { "shop" }, source);
    }

    private static SearchSourceBuilder query() {
        return new SearchSourceBuilder().query(QueryBuilders.matchQuery("title", "red shoe"));
    }

    private static Map<String, Object> clause(SearchRequest search) throws IOException {
        return Contract.parsed(((WrapperQueryBuilder) search.source().query()).source());
    }

    @Test
    void theNearestDocumentsOfTheSameIndicesAreSoughtWithoutAPipeline() throws IOException {
        SearchRequest client = client(query().from(20).size(100)).routing("r").preference("p").pipeline("shop");
        SearchRequest search = nearest(client);
        assertEquals(Map.of("knn", Map.of("embedding", Map.of("vector", List.of(0.5, -1.0), "k", 30))), clause(search));
        assertArrayEquals(new String[] { "shop" }, search.indices());
        assertEquals(List.of("r", "p", "_none"), List.of(search.routing(), search.preference(), search.pipeline()));
        assertEquals(30, search.source().size());
        assertEquals(-1, search.source().from());
        assertEquals(0.5f, search.source().minScore());
        assertEquals(90, search.source().timeout().millis());
    }

    @Test
    void noMoreAreSoughtThanTheWindowHolds() throws IOException {
        NeighbourRequest request = NeighbourRequest.of(SETTINGS, client(query()), ticket("red shoe", 12)).orElseThrow();
        assertEquals(12, request.nearest(VECTOR, TimeValue.timeValueMillis(90)).source().size());
    }

    @Test
    void whatTheClientDemandsIsDemandedOfThem() throws IOException {
        QueryBuilder query = QueryBuilders.boolQuery().must(QueryBuilders.matchQuery("title", "red shoe")).filter(QueryBuilders.termQuery("stock", true));
        Map<String, Object> knn = Contract.object(Contract.object(clause(nearest(client(new SearchSourceBuilder().query(query)))), "knn"), "embedding");
        Map<String, Object> filter = Contract.object(Contract.object(knn, "filter"), "bool");
        assertEquals(true, Contract.object(Contract.object(Contract.list(filter, "filter").get(0), "term"), "stock").get("value"));
    }

    @Test
    void aQueryWithoutTextIsADemandAsAWholeWhereTheRequestBringsTheWords() throws IOException {
        QueryBuilder query = QueryBuilders.boolQuery().should(QueryBuilders.termQuery("shop", "outlet")).should(QueryBuilders.termQuery("shop", "town"));
        Map<String, Object> knn = Contract.object(Contract.object(clause(nearest(client(new SearchSourceBuilder().query(query)))), "knn"), "embedding");
        Map<String, Object> demand = Contract.list(Contract.object(Contract.object(knn, "filter"), "bool"), "filter").get(0);
        assertEquals(2, Contract.list(Contract.object(demand, "bool"), "should").size());
    }

    @Test
    void whereTheRequestBringsOtherWordsThoseOfTheQueryMayBeDemands() throws IOException {
        SearchRequest client = client(new SearchSourceBuilder().query(QueryBuilders.matchQuery("brand", "acme")));
        assertEquals(Optional.empty(), NeighbourRequest.of(SETTINGS, client, ticket("red shoe", 100)));
    }

    @Test
    void wordsThatWereCutAreStillThoseOfTheQuery() throws IOException {
        assertEquals(true, NeighbourRequest.of(SETTINGS, client(query()), ticket("Red", 100)).isPresent());
    }

    @Test
    void hitsHaveThePartsThatTheClientAskedForAndNothingIsCounted() throws IOException {
        HighlightBuilder marks = new HighlightBuilder().field("title");
        SearchSourceBuilder source = query().fetchSource("sku", null).version(true).docValueField("price").highlighter(marks)
            .aggregation(AggregationBuilders.terms("brands").field("brand")).trackTotalHits(true).explain(true).profile(true);
        SearchSourceBuilder search = nearest(client(source)).source();
        assertEquals(source.fetchSource(), search.fetchSource());
        assertEquals(true, search.version());
        assertEquals(source.docValueFields(), search.docValueFields());
        assertEquals(source.query(), search.highlighter().highlightQuery());
        assertNull(marks.highlightQuery());
        assertNull(search.aggregations());
        assertEquals(false, search.profile());
        assertEquals(-1, search.trackTotalHitsUpTo());
    }

    @Test
    void theSidecarIsAskedForTheQuerysVector() throws IOException {
        Map<String, Object> example = Contract.read("embed.json");
        NeighbourSettings settings = new NeighbourSettings("embedding", 30, 0, (String) example.get("embedder"));
        Ticket.Widened ticket = ticket((String) example.get("query"), 100);
        SearchRequest client = client(new SearchSourceBuilder().query(QueryBuilders.matchQuery("title", example.get("query"))));
        NeighbourRequest request = NeighbourRequest.of(settings, client, ticket).orElseThrow();
        assertEquals(Contract.object(example, "request"), Contract.parsed(request.embedding((int) example.get("deadline_ms"))));
    }

    @Test
    void itsAnswerIsOneVector() throws IOException, SidecarException {
        Map<String, Object> example = Contract.read("embed.json");
        assertEquals(example.get("vector"), QueryVector.of(reply(200, (String) example.get("answer"))).numbers());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "200|{\"vectors\":[]}|GARBAGE",
        "200|{\"vectors\":[[]]}|GARBAGE",
        "200|{\"vectors\":[[1],[2]]}|GARBAGE",
        "200|{\"vectors\":[[\"1\"]]}|GARBAGE",
        "200|<html>|GARBAGE",
        "422|{}|REJECTED",
        "503|{}|UNAVAILABLE" })
    void everythingElseIsAFailure(int status, String body, Failure failure) {
        assertEquals(failure, assertThrows(SidecarException.class, () -> QueryVector.of(reply(status, body))).failure());
    }

    private static Reply reply(int status, String body) {
        return new Reply(status, body.getBytes(StandardCharsets.UTF_8));
    }
}
