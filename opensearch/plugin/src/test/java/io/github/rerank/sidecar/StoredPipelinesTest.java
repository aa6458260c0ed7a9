package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.URI;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.opensearch.cluster.ClusterChangedEvent;
import org.opensearch.cluster.ClusterName;
import org.opensearch.cluster.ClusterState;
import org.opensearch.cluster.block.ClusterBlocks;
import org.opensearch.cluster.metadata.Metadata;
import org.opensearch.core.xcontent.MediaTypeRegistry;
import org.opensearch.gateway.GatewayService;
import org.opensearch.search.pipeline.PipelineConfiguration;
import org.opensearch.search.pipeline.SearchPipelineMetadata;

class StoredPipelinesTest {
    private static final ClusterState EMPTY = ClusterState.builder(ClusterName.DEFAULT).build();
    private final Sidecars sidecars = new Sidecars(ms -> null, each -> {});
    private final StoredPipelines pipelines = new StoredPipelines(sidecars);

    @BeforeEach
    void open() {
        List<URI> uris = List.of(URI.create("http://a/v1/hits"), URI.create("http://b/v1/hits"));
        sidecars.open(new CallSettings(uris, null, 200, 100, 1, 1, 1, 0, false, null));
    }

    private static ClusterState stored(Map<String, Map<String, Object>> pipelines) throws IOException {
        Map<String, PipelineConfiguration> byId = new HashMap<>();
        for (Map.Entry<String, Map<String, Object>> each : pipelines.entrySet()) {
            byId.put(each.getKey(), new PipelineConfiguration(each.getKey(), Contract.bytes(each.getValue()), MediaTypeRegistry.JSON));
        }
        Metadata metadata = Metadata.builder().putCustom(SearchPipelineMetadata.TYPE, new SearchPipelineMetadata(byId)).build();
        return ClusterState.builder(EMPTY).metadata(metadata).build();
    }

    private static Map<String, Object> reRanking(String url) {
        Map<String, Object> settings = Map.of("url", url, "tag", "t", "ignore_failure", true);
        return Map.of("response_processors", List.of(Map.of("rename_field", Map.of()), Map.of("sidecar_rerank", settings)));
    }

    private Set<String> known() {
        return sidecars.all().stream().map(each -> each.uri().getHost()).collect(Collectors.toSet());
    }

    @Test
    void aSidecarThatNoStoredPipelineNamesAnyMoreIsForgotten() throws IOException {
        ClusterState both = stored(Map.of("one", reRanking("http://a"), "two", reRanking("http://b")));
        pipelines.clusterChanged(new ClusterChangedEvent("both", both, EMPTY));
        assertEquals(Set.of("a", "b"), known());
        ClusterState one = stored(Map.of("one", reRanking("http://a"), "other", Map.of("request_processors", List.of())));
        pipelines.clusterChanged(new ClusterChangedEvent("one", one, both));
        assertEquals(Set.of("a"), known());
        pipelines.clusterChanged(new ClusterChangedEvent("none", stored(Map.of()), one));
        assertEquals(Set.of(), known());
    }

    /** The server keeps its pipelines then, and they keep their sidecars. */
    @Test
    void aClusterThatDoesNotKnowItsPipelinesYetForgetsNothing() throws IOException {
        ClusterBlocks unrecovered = ClusterBlocks.builder().addGlobalBlock(GatewayService.STATE_NOT_RECOVERED_BLOCK).build();
        ClusterState unknown = ClusterState.builder(stored(Map.of())).blocks(unrecovered).build();
        pipelines.clusterChanged(new ClusterChangedEvent("unknown", unknown, EMPTY));
        pipelines.clusterChanged(new ClusterChangedEvent("nothing stored", EMPTY, unknown));
        assertEquals(Set.of("a", "b"), known());
    }

    @Test
    void aPipelineThatCannotBeReadForgetsNothing() throws IOException {
        pipelines.clusterChanged(new ClusterChangedEvent("unreadable", stored(Map.of("one", reRanking("nowhere"))), EMPTY));
        assertEquals(Set.of("a", "b"), known());
    }
}
