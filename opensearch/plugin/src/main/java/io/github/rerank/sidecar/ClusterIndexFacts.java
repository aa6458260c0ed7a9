package io.github.rerank.sidecar;

import java.util.Map;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.cluster.ClusterState;
import org.opensearch.cluster.metadata.IndexMetadata;
import org.opensearch.cluster.metadata.IndexNameExpressionResolver;
import org.opensearch.cluster.metadata.MappingMetadata;
import org.opensearch.cluster.service.ClusterService;
import org.opensearch.common.cache.Cache;
import org.opensearch.common.cache.CacheBuilder;
import org.opensearch.core.index.Index;
import org.opensearch.index.IndexSettings;

/** Reads what the indices of a search allow from the cluster state. */
final class ClusterIndexFacts implements IndexFacts {
    private static final long MAX_CACHED_MAPPINGS = 10_000;
    private final ClusterService clusterService;
    private final IndexNameExpressionResolver resolver;
    private final Cache<MappingKey, Boolean> sourceEnabled = CacheBuilder.<MappingKey, Boolean>builder()
        .setMaximumWeight(MAX_CACHED_MAPPINGS)
        .build();

    ClusterIndexFacts(ClusterService clusterService, IndexNameExpressionResolver resolver) {
        this.clusterService = clusterService;
        this.resolver = resolver;
    }

    @Override
    public     Facts of(SearchRequest request) {
        ClusterState state = clusterService.state();
        int maxResultWindow = Integer.MAX_VALUE;
        boolean source = true;
        boolean known = false;
        for (Index index : resolver.concreteIndices(state, request)) {
            IndexMetadata metadata = state.metadata().index(index);
            if (metadata != null) {
                known = true;
                maxResultWindow = Math.min(maxResultWindow, IndexSettings.MAX_RESULT_WINDOW_SETTING.get(metadata.getSettings()));
                source &= keepsSource(metadata);
            }
        }
        return new Facts(known, maxResultWindow, source);
    }

    private boolean keepsSource(IndexMetadata metadata) {
        MappingMetadata mapping = metadata.mapping();
        if (mapping == null) {
            return true;
        }
        MappingKey key = new MappingKey(metadata.getIndexUUID(), metadata.getMappingVersion());
        Boolean cached = sourceEnabled.get(key);
        if (cached == null) {
            cached = readSourceEnabled(mapping);
            sourceEnabled.put(key, cached);
        }
        return cached;
    }

    private static boolean readSourceEnabled(MappingMetadata mapping) {
        Object enabled = mapping.sourceAsMap().get("_source") instanceof Map<?, ?> options ? options.get("enabled") : null;
        return enabled == null || Boolean.parseBoolean(enabled.toString());
    }

    private record MappingKey(String indexUuid, long mappingVersion) {}
}
