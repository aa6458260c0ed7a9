package io.github.rerank.sidecar;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.opensearch.cluster.ClusterChangedEvent;
import org.opensearch.cluster.ClusterState;
import org.opensearch.cluster.ClusterStateListener;
import org.opensearch.gateway.GatewayService;
import org.opensearch.search.pipeline.PipelineConfiguration;
import org.opensearch.search.pipeline.SearchPipelineMetadata;

/**
 * Lets the node forget the sidecars that no stored pipeline names any more. Listeners hear of a change after the server has built
 * its pipelines anew, so what is forgotten here is no longer in use.
 */
final class StoredPipelines implements ClusterStateListener {
    private static final Logger logger = LogManager.getLogger(StoredPipelines.class);
    private final Sidecars sidecars;

    StoredPipelines(Sidecars sidecars) {
        this.sidecars = sidecars;
    }

    @Override
    public void clusterChanged(ClusterChangedEvent event) {
        SearchPipelineMetadata stored = stored(event.state());
        if (stored == null || stored == stored(event.previousState())) {
            return;
        }
        try {
            sidecars.keepOnly(callSettings(stored));
        } catch (RuntimeException e) {
            logger.warn("sidecars that no pipeline names any more stay in the statistics", e);
        }
    }

    /** Null where the server too leaves its pipelines as they are. */
    private static SearchPipelineMetadata stored(ClusterState state) {
        boolean recovered = state.blocks().hasGlobalBlock(GatewayService.STATE_NOT_RECOVERED_BLOCK) == false;
        return recovered ? state.metadata().custom(SearchPipelineMetadata.TYPE) : null;
    }

    private static List<CallSettings> callSettings(SearchPipelineMetadata stored) {
        List<CallSettings> all = new ArrayList<>();
        for (PipelineConfiguration pipeline : stored.getPipelines().values()) {
            if (pipeline.getConfigAsMap().get(PipelinePairFilter.RESPONSE_PROCESSORS) instanceof List<?> processors) {
                processors.forEach(processor -> addSettings(processor, all));
            }
        }
        return all;
    }

    @SuppressWarnings("unchecked")
    private static void addSettings(Object processor, List<CallSettings> all) {
        if (processor instanceof Map<?, ?> byType && byType.get(RerankProcessor.TYPE) instanceof Map<?, ?> values) {
            all.add(CallSettings.read(new Config(RerankProcessor.TYPE, null, (Map<String, Object>) values)));
        }
    }
}
