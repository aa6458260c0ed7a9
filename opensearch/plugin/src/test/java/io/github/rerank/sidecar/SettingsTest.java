package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.opensearch.OpenSearchException;
import org.opensearch.action.search.SearchAction;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.core.rest.RestStatus;
import org.opensearch.search.builder.SearchSourceBuilder;

/** What the settings mean; the values that are refused are tried on a real node. */
class SettingsTest {
    private static CallSettings call(Map<String, Object> settings) {
        Map<String, Object> left = new HashMap<>(settings);
        CallSettings read = CallSettings.read(new Config(RerankProcessor.TYPE, null, left));
        assertTrue(left.isEmpty());
        return read;
    }

    @ParameterizedTest
    @CsvSource({
        "http://sidecar:8080,http://sidecar:8080/v1/hits",
        "http://sidecar:8080/,http://sidecar:8080/v1/hits",
        "HTTPS://sidecar/rerank//,HTTPS://sidecar/rerank/v1/hits",
        "http://sidecar:8080/v1/hits,http://sidecar:8080/v1/hits",
        "http://[::1]:8080,http://[::1]:8080/v1/hits" })
    void aUrlIsTheBaseAddress(String url, String address) {
        assertEquals(List.of(URI.create(address)), call(Map.of("url", url)).urls());
    }

    @Test
    void defaultsAreUsable() {
        CallSettings settings = call(Map.of("url", List.of("http://a", "http://b", "http://a/")));
        assertEquals(2, settings.urls().size());
        assertEquals(200, settings.deadlineMs());
        assertEquals(0, settings.blend());
        assertFalse(settings.annotate());
        assertNull(settings.profile());
    }

    @Test
    void theWindowKeepsTheOrderOfItsRoles() {
        Map<String, Object> fields = new java.util.LinkedHashMap<>();
        fields.put("title", "z");
        fields.put("brand", "a");
        Map<String, Object> settings = new HashMap<>(Map.of("fields", fields));
        WindowSettings read = WindowSettings.read(new Config(WindowProcessor.TYPE, null, settings));
        assertEquals(List.of("title", "brand"), List.copyOf(read.fields().keySet()));
        assertEquals(100, read.window());
    }

    @Test
    void aComplaintIsABadRequestThatNamesTheKey() {
        OpenSearchException complaint = assertThrows(OpenSearchException.class, () -> call(Map.of("url", "http://a", "blend", 2)));
        assertEquals(RestStatus.BAD_REQUEST, complaint.status());
        assertTrue(complaint.getMessage().contains("[blend]"));
    }

    @Test
    void aComplaintOfAnUnderscoreInAHostNameSaysWhatToDo() {
        OpenSearchException complaint = assertThrows(OpenSearchException.class, () -> call(Map.of("url", "http://rerank_sidecar:8080")));
        assertEquals(RestStatus.BAD_REQUEST, complaint.status());
        assertTrue(complaint.getMessage().contains("underscore in its host name (give the service a name or a network alias with a hyphen)"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "http://sidecar:0", "http://sidecar:65536", "http://sidecar:99999/rerank" })
    void aPortThatNoServiceCanHaveIsRefused(String url) {
        OpenSearchException complaint = assertThrows(OpenSearchException.class, () -> call(Map.of("url", url)));
        assertEquals(RestStatus.BAD_REQUEST, complaint.status());
        assertTrue(complaint.getMessage().contains("[url] must have a port from 1 to 65535"));
    }

    @Test
    void anUnderscoreInAPathIsAllowed() {
        assertEquals(List.of(URI.create("http://sidecar/re_rank/v1/hits")), call(Map.of("url", "http://sidecar/re_rank")).urls());
    }

    @Test
    void onlyAPairOfProcessorsIsAPipeline() {
        Map<String, Object> window = Map.of("rerank_window", Map.of());
        Map<String, Object> rerank = Map.of("sidecar_rerank", Map.of());
        PipelinePairFilter.check(Map.of());
        PipelinePairFilter.check(Map.of("request_processors", List.of(window), "response_processors", List.of(rerank)));
        refused(Map.of("request_processors", List.of(window)));
        refused(Map.of("response_processors", List.of(rerank)));
        refused(Map.of("request_processors", List.of(window, window), "response_processors", List.of(rerank, rerank)));
    }

    @Test
    void aSearchsOwnPipelineNeedsThePairToo() {
        SearchSourceBuilder half = new SearchSourceBuilder();
        half.searchPipelineSource(Map.of("request_processors", List.of(Map.of("rerank_window", Map.of()))));
        PipelinePairFilter filter = new PipelinePairFilter();
        assertTrue(filter.apply(SearchAction.NAME, new SearchRequest(), null));
        assertTrue(filter.apply(SearchAction.NAME, new SearchRequest().source(new SearchSourceBuilder()), null));
        assertThrows(OpenSearchException.class, () -> filter.apply(SearchAction.NAME, new SearchRequest().source(half), null));
    }

    @Test
    void neighboursNeedNoMoreThanAField() {
        CallSettings settings = call(Map.of("url", "http://a", "neighbours", Map.of("field", "embedding")));
        assertEquals(new NeighbourSettings("embedding", 50, 0, null), settings.neighbours());
        assertNull(call(Map.of("url", "http://a")).neighbours());
    }

    @Test
    void aComplaintOfNeighboursNamesTheWayToTheKey() {
        neighboursRefused(Map.of(), "[neighbours.field] required property is missing");
        neighboursRefused(Map.of("field", "embedding", "k", 0), "[neighbours.k] must be a whole number from 1 to 1000, got [0]");
        neighboursRefused(Map.of("field", "embedding", "min_score", 2), "[neighbours.min_score] must be a number from 0 to 1, got [2]");
        neighboursRefused(Map.of("field", "embedding", "count", 9), "[neighbours.count] unknown key");
        neighboursRefused("embedding", "[neighbours] must be an object, got [embedding]");
    }

    private static void neighboursRefused(Object neighbours, String reason) {
        OpenSearchException complaint = assertThrows(
            OpenSearchException.class, () -> call(Map.of("url", "http://a", "neighbours", neighbours)));
        assertEquals(RestStatus.BAD_REQUEST, complaint.status());
        assertTrue(complaint.getMessage().contains(reason), complaint.getMessage());
    }

    private static void refused(Map<String, Object> pipeline) {
        assertThrows(OpenSearchException.class, () -> PipelinePairFilter.check(pipeline));
    }
}
