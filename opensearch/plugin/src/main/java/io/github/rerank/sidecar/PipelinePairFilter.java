package io.github.rerank.sidecar;

import java.util.List;
import java.util.Map;
import org.opensearch.action.ActionRequest;
import org.opensearch.action.search.PutSearchPipelineAction;
import org.opensearch.action.search.PutSearchPipelineRequest;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.support.ActionFilter;
import org.opensearch.common.xcontent.XContentHelper;
import org.opensearch.core.action.ActionListener;
import org.opensearch.ingest.ConfigurationUtils;
import org.opensearch.search.builder.SearchSourceBuilder;

/**
 * Refuses a pipeline with only one of the two processors: without its other half, {@code rerank_window} would hand the whole
 * window to the client, and {@code sidecar_rerank} would never do anything. A processor cannot see this for itself.
 */
final class PipelinePairFilter extends ActionFilter.Simple {
    static final String RESPONSE_PROCESSORS = "response_processors";

    @Override
    public int order() {
        return 0;
    }

    @Override
    protected boolean apply(String action, ActionRequest request, ActionListener<?> listener) {
        if (request instanceof PutSearchPipelineRequest put && PutSearchPipelineAction.NAME.equals(action)) {
            check(XContentHelper.convertToMap(put.getSource(), false, put.getMediaType()).v2());
        } else if (request instanceof SearchRequest search) {
            checkOwn(search.source());
        }
        return true;
    }

    /** A search may bring a pipeline of its own in its body. */
    private static void checkOwn(SearchSourceBuilder source) {
        if (source != null && source.searchPipelineSource() != null) {
            check(source.searchPipelineSource());
        }
    }

    static void check(Map<String, Object> pipeline) {
        int windows = count(pipeline.get("request_processors"), WindowProcessor.TYPE);
        int reranks = count(pipeline.get(RESPONSE_PROCESSORS), RerankProcessor.TYPE);
        if (windows != reranks || windows > 1) {
            throw ConfigurationUtils.newConfigurationException(
                windows > reranks ? WindowProcessor.TYPE : RerankProcessor.TYPE,
                null,
                windows > reranks ? RerankProcessor.TYPE : WindowProcessor.TYPE,
                "a pipeline needs exactly one [rerank_window] in request_processors and one [sidecar_rerank] in response_processors"
            );
        }
    }

    private static int count(Object processors, String type) {
        int count = 0;
        for (Object processor : processors instanceof List<?> list ? list : List.of()) {
            count += processor instanceof Map<?, ?> map && map.containsKey(type) ? 1 : 0;
        }
        return count;
    }
}
