package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.URI;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.opensearch.OpenSearchException;
import org.opensearch.Version;
import org.opensearch.cluster.node.DiscoveryNode;
import org.opensearch.common.io.stream.BytesStreamOutput;
import org.opensearch.common.settings.Settings;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.common.xcontent.json.JsonXContent;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.Writeable;
import org.opensearch.core.common.transport.TransportAddress;
import org.opensearch.core.xcontent.DeprecationHandler;
import org.opensearch.core.xcontent.MediaTypeRegistry;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.core.xcontent.ToXContent;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.core.xcontent.XContentParser;

/** What travels between nodes and to clients arrives as it left. */
class WireTest {
    private static <T extends Writeable> T copy(Writeable value, Writeable.Reader<T> reader) throws IOException {
        try (BytesStreamOutput out = new BytesStreamOutput()) {
            value.writeTo(out);
            try (StreamInput in = out.bytes().streamInput()) {
                return reader.read(in);
            }
        }
    }

    private static Map<String, Object> json(ToXContent fragment) throws IOException {
        try (XContentBuilder builder = MediaTypeRegistry.contentBuilder(MediaTypeRegistry.JSON)) {
            fragment.toXContent(builder.startObject(), ToXContent.EMPTY_PARAMS).endObject();
            return Contract.parsed(BytesReference.toBytes(BytesReference.bytes(builder)));
        }
    }

    private static RequestOverrides overrides(String json) throws IOException {
        try (XContentParser parser = JsonXContent.jsonXContent.createParser(
            NamedXContentRegistry.EMPTY, DeprecationHandler.IGNORE_DEPRECATIONS, json)) {
            return RequestOverrides.parse(parser);
        }
    }

    @Test
    void aRequestsSectionSurvivesTheWire() throws IOException {
        String json = "{\"enabled\":true,\"window\":50,\"profile\":\"best\",\"deadline_ms\":90,\"query\":\"red\",\"user\":\"u\"}";
        RequestOverrides section = overrides(json);
        assertEquals(section, copy(section, RequestOverrides::new));
        assertEquals(Contract.parsed(json.getBytes(java.nio.charset.StandardCharsets.UTF_8)), json(section).get(RequestOverrides.NAME));
        assertEquals(RequestOverrides.NONE, copy(overrides("{}"), RequestOverrides::new));
    }

    @Test
    void anUnknownKeyInARequestsSectionIsRefused() {
        assertThrows(OpenSearchException.class, () -> overrides("{\"windw\":50}"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "false", "\"off\"", "null", "[\"best\"]" })
    void aRequestsSectionThatIsNoObjectIsRefused(String json) {
        assertThrows(OpenSearchException.class, () -> overrides(json));
    }

    @Test
    void anAnnotationSurvivesTheWireAndSaysRerankToClients() throws IOException {
        RerankAnnotation applied = new RerankAnnotation(true, null, "fast-1", 100, 12, "running shoes", 7);
        assertEquals(applied, copy(applied, RerankAnnotation::new));
        assertEquals(
            Map.of("rerank", Map.of(
                "applied", true, "model", "fast-1", "read_as", "running shoes", "neighbours", 7, "window", 100, "took_ms", 12)),
            json(applied)
        );
        RerankAnnotation skipped = RerankAnnotation.skipped(Skip.SORT);
        assertEquals(Map.of("rerank", Map.of("applied", false, "reason", "sort", "window", 0, "took_ms", 0)), json(skipped));
    }

    @Test
    @SuppressWarnings("unchecked")
    void aNodesStatisticsSurviveTheWire() throws IOException {
        NodeServices node = new NodeServices(
            new ThreadContext(Settings.EMPTY), Runnable::run, null, null, null, null, new Sidecars(ms -> null, each -> {}), null, null,
            new RerankStats());
        node.stats().searches.add(3);
        node.stats().skipped(Skip.SORT);
        node.stats().failed(Failure.DEADLINE);
        node.stats().latency.record(4_000_000);
        node.stats().neighbours.asked.add(2);
        node.stats().neighbours.added.add(9);
        node.sidecars().open(new CallSettings(List.of(URI.create("http://a/v1/hits")), null, 1, 1, 1, 1, 1, 0, false, null));
        DiscoveryNode here = new DiscoveryNode("one", "n1", new TransportAddress(TransportAddress.META_ADDRESS, 9300), Map.of(),
            java.util.Set.of(), Version.CURRENT);
        NodeStats stats = NodeStats.of(here, node);
        Map<String, Object> wanted = json(stats);
        assertEquals(wanted, json(copy(stats, NodeStats::new)));
        Map<String, Object> one = (Map<String, Object>) wanted.get("n1");
        assertEquals(3, one.get("searches"));
        assertEquals(1, Contract.object(Contract.object(one, "skipped"), "reasons").get("sort"));
        assertEquals(1, Contract.object(one, "failed").get("total"));
        assertEquals(1, Contract.object(one, "latency_ms").get("count"));
        assertEquals(Map.of("asked", 2, "failed", 0, "added", 9), one.get("neighbours"));
        assertEquals("closed", Contract.list(one, "sidecars").get(0).get("circuit"));
    }
}
