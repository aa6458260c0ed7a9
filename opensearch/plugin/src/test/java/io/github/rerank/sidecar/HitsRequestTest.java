package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.search.SearchHit;
import org.opensearch.search.builder.SearchSourceBuilder;

class HitsRequestTest {
    private static HitsRequest request(Map<String, Object> example, SearchHit[] hits) throws IOException {
        return request(example, hits, sources(hits));
    }

    private static HitsRequest request(Map<String, Object> example, SearchHit[] hits, Map<SearchHit, BytesReference> sources) throws IOException {
        Window window = Window.of(hits, hits.length);
        return HitsRequest.of(ticket(example, hits.length), (String) example.get("profile"), window, sources);
    }

    private static Map<SearchHit, BytesReference> sources(SearchHit[] hits) {
        Map<SearchHit, BytesReference> sources = new IdentityHashMap<>();
        Arrays.stream(hits).forEach(hit -> sources.put(hit, hit.getSourceRef()));
        return sources;
    }

    private static Ticket.Widened ticket(Map<String, Object> example, int window) {
        Map<String, String> fields = new LinkedHashMap<>();
        Contract.object(example, "fields").forEach((role, path) -> fields.put(role, (String) path));
        SourceView view = SourceView.of(new SearchSourceBuilder(), fields.values());
        return new Ticket.Widened(
            (String) example.get("query"),
            new Page(0, 10),
            window,
            false,
            view,
            fields,
            (int) example.get("max_field_chars"),
            null,
            null,
            (String) example.get("user"),
            false
        );
    }

    @Test
    void theBodyIsWhatTheContractSays() throws IOException {
        Map<String, Object> example = Contract.read("hits_request.json");
        SearchHit[] hits = Contract.list(example, "hits").stream().map(Hits::of).toArray(SearchHit[]::new);
        HitsRequest request = request(example, hits);
        assertEquals(Contract.object(example, "request"), Contract.parsed(request.body((int) example.get("deadline_ms"))));
        assertTrue(request.hasFields());
    }

    @Test
    void aSecondAttemptIsGivenLessTime() throws IOException {
        HitsRequest request = request(Contract.read("hits_request.json"), new SearchHit[0]);
        assertEquals(7, Contract.parsed(request.body(7)).get("deadline_ms"));
        assertEquals(1, Contract.parsed(request.body(0)).get("deadline_ms"));
    }

    /** At the deadline another thread filters the hits for the client, while this one may still be reading. */
    @Test
    void onlyTheSourcesThatWereCollectedBeforeAreReadAndTheHitsStayAsTheyAre() throws IOException {
        Map<String, Object> example = Contract.read("hits_request.json");
        SearchHit[] hits = Contract.list(example, "hits").stream().map(Hits::of).toArray(SearchHit[]::new);
        Map<SearchHit, BytesReference> sources = sources(hits);
        Arrays.stream(hits).forEach(hit -> hit.sourceRef(null));
        HitsRequest request = request(example, hits, sources);
        assertEquals(Contract.object(example, "request"), Contract.parsed(request.body((int) example.get("deadline_ms"))));
        assertFalse(Arrays.stream(hits).anyMatch(SearchHit::hasSource));
    }

    @Test
    void hitsWithoutAnyTextAreNotWorthASearch() throws IOException {
        List<SearchHit> hits = List.of(Hits.of("a", 1, Map.of("other", "x")), Hits.of("b", 1, null));
        assertFalse(request(Contract.read("hits_request.json"), hits.toArray(SearchHit[]::new)).hasFields());
    }
}
