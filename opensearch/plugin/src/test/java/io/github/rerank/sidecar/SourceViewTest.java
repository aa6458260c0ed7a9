package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.opensearch.common.xcontent.support.XContentMapValues;
import org.opensearch.script.Script;
import org.opensearch.search.SearchHit;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.fetch.subphase.FetchSourceContext;

class SourceViewTest {
    private static final List<String> PATHS = List.of("name", "attributes.maker");
    private static final List<String> NAMES = List.of("name", "attributes", "maker", "a", "b", "na", "attributes.maker", "a.b");
    private static final List<String> PATTERNS = List.of(
        "name", "attributes", "attributes.maker", "attributes.*", "*.maker", "*", "n*", "a", "a.b", "b.*", "*e", "attributes.maker.a", "zz"
    );

    @Test
    void aClientThatSeesEverythingNeedsNothingElse() {
        assertNull(SourceView.of(new SearchSourceBuilder(), PATHS).fetched());
        assertNull(SourceView.of(new SearchSourceBuilder().fetchSource(true), PATHS).fetched());
    }

    @Test
    void excludesThatDoNotConcernTheModelAreKept() {
        assertNull(SourceView.of(new SearchSourceBuilder().fetchSource(null, "vector"), PATHS).fetched());
        FetchSourceContext fetched = SourceView.of(
            new SearchSourceBuilder().fetchSource(null, new String[] { "vector", "attr*", "*.maker" }), PATHS).fetched();
        assertArrayEquals(new String[] { "vector" }, fetched.excludes());
    }

    @Test
    void excludesThatHideAPartOfAModelsFieldAreNotKept() {
        String[] excludes = { "attributes.*", "attributes.color", "attributes_old", "*.vector", "*_vector" };
        FetchSourceContext fetched = SourceView.of(
            new SearchSourceBuilder().fetchSource(null, excludes), List.of("name", "attributes")).fetched();
        assertArrayEquals(new String[] { "attributes_old", "*.vector", "*_vector" }, fetched.excludes());
    }

    @Test
    void storedAndScriptFieldsHideTheSourceUnlessItIsAskedFor() {
        assertFalse(SourceView.of(new SearchSourceBuilder().storedField("sku"), PATHS).client().fetchSource());
        assertFalse(SourceView.of(new SearchSourceBuilder().scriptField("twice", new Script("1")), PATHS).client().fetchSource());
        assertNull(SourceView.of(new SearchSourceBuilder().storedFields(List.of("sku", "_source")), PATHS).fetched());
        assertNull(SourceView.of(new SearchSourceBuilder().scriptField("twice", new Script("1")).fetchSource(true), PATHS).fetched());
    }

    @Test
    void aHiddenSourceIsTakenAwayAgain() throws IOException {
        SourceView view = SourceView.of(new SearchSourceBuilder().fetchSource(false), PATHS);
        assertNotNull(view.fetched());
        SearchHit hit = Hits.of("a", 1, Map.of("name", "red"));
        view.restore(hit);
        assertFalse(hit.hasSource());
    }

    /** Whatever the filter and the document: fetching more and filtering again leaves what one filter would have left. */
    @RepeatedTest(500)
    void restoringGivesWhatAShardWouldHaveGiven(RepetitionInfo repetition) throws IOException {
        Random random = new Random(repetition.getCurrentRepetition());
        String[] includes = some(random, PATTERNS).toArray(String[]::new);
        String[] excludes = some(random, PATTERNS).toArray(String[]::new);
        Map<String, Object> document = document(random, 3);
        SourceView view = SourceView.of(new SearchSourceBuilder().fetchSource(includes, excludes), PATHS);
        FetchSourceContext fetched = view.fetched() == null ? view.client() : view.fetched();
        SearchHit hit = Hits.of("a", 1, XContentMapValues.filter(document, fetched.includes(), fetched.excludes()));
        view.restore(hit);
        assertEquals(XContentMapValues.filter(document, includes, excludes), hit.getSourceAsMap());
    }

    /** The model gets its fields whatever the client hides. */
    @RepeatedTest(500)
    void theModelsFieldsAreFetched(RepetitionInfo repetition) throws IOException {
        Random random = new Random(repetition.getCurrentRepetition());
        SearchSourceBuilder client = new SearchSourceBuilder().fetchSource(
            some(random, PATTERNS).toArray(String[]::new), some(random, PATTERNS).toArray(String[]::new));
        SourceView view = SourceView.of(client, PATHS);
        FetchSourceContext fetched = view.fetched() == null ? view.client() : view.fetched();
        Map<String, Object> document = Map.of("name", "red", "attributes", Map.of("maker", "Halden", "size", 3));
        Map<String, Object> source = XContentMapValues.filter(document, fetched.includes(), fetched.excludes());
        assertEquals("red", source.get("name"));
        assertEquals("Halden", ((Map<?, ?>) source.get("attributes")).get("maker"));
    }

    private static List<String> some(Random random, List<String> from) {
        List<String> some = new ArrayList<>();
        for (int i = random.nextInt(4); i > 0; i--) {
            some.add(from.get(random.nextInt(from.size())));
        }
        return some;
    }

    private static Map<String, Object> document(Random random, int depth) {
        Map<String, Object> document = new LinkedHashMap<>();
        for (int i = random.nextInt(5); i > 0; i--) {
            document.put(NAMES.get(random.nextInt(NAMES.size())), value(random, depth));
        }
        return document;
    }

    private static Object value(Random random, int depth) {
        return switch (depth == 0 ? 0 : random.nextInt(4)) {
            case 1 -> document(random, depth - 1);
            case 2 -> List.of(document(random, depth - 1), document(random, depth - 1));
            case 3 -> List.of("x", "y");
            default -> "x";
        };
    }
}
