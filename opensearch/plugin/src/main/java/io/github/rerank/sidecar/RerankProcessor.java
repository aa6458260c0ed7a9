package io.github.rerank.sidecar;

import java.util.List;
import java.util.Map;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.core.action.ActionListener;
import org.opensearch.search.pipeline.AbstractProcessor;
import org.opensearch.search.pipeline.PipelineProcessingContext;
import org.opensearch.search.pipeline.Processor;
import org.opensearch.search.pipeline.SearchResponseProcessor;

/** {@code sidecar_rerank}: brings a widened search back to the client's page, re-ranked where the sidecar answers in time. */
final class RerankProcessor extends AbstractProcessor implements SearchResponseProcessor {
    static final String TYPE = "sidecar_rerank";
    private final RerankPipeline pipeline;
    private final NodeServices node;

    RerankProcessor(String tag, String description, boolean ignoreFailure, RerankPipeline pipeline, NodeServices node) {
        super(tag, description, ignoreFailure);
        this.pipeline = pipeline;
        this.node = node;
    }

    @Override
    public String getType() {
        return TYPE;
    }

    @Override
    public SearchResponse processResponse(SearchRequest request, SearchResponse response) {
        throw new UnsupportedOperationException("needs the context of the pipeline");
    }

    @Override
    public void processResponseAsync(
        SearchRequest request,
        SearchResponse response,
        PipelineProcessingContext context,
        ActionListener<SearchResponse> listener
    ) {
        switch (Ticket.of(context)) {
            case Ticket.Skipped skipped -> leaveAlone(skipped, request, response, listener);
            case Ticket.Widened widened -> new ReRanking(widened, request, response, pipeline, node, listener).start();
        }
    }

    private void leaveAlone(
        Ticket.Skipped skipped,
        SearchRequest request,
        SearchResponse response,
        ActionListener<SearchResponse> listener
    ) {
        node.stats().skipped(skipped.reason());
        boolean annotated = pipeline.settings().annotate() && request.source() != null;
        listener.onResponse(
            annotated
                ? FinishStep.annotated(response, request.source().profile(), RerankAnnotation.skipped(skipped.reason()))
                : response
        );
    }

    /** Reads the settings when a pipeline is put and when a node takes it over. */
    record Factory(NodeServices node) implements Processor.Factory<SearchResponseProcessor> {
        @Override
        public SearchResponseProcessor create(
            Map<String, Processor.Factory<SearchResponseProcessor>> factories,
            String tag,
            String description,
            boolean ignoreFailure,
            Map<String, Object> values,
            Processor.PipelineContext pipelineContext
        ) {
            Config config = new Config(TYPE, tag, values);
            CallSettings settings = CallSettings.read(config);
            List<Endpoint> sidecars = switch (pipelineContext.getPipelineSource()) {
                case UPDATE_PIPELINE -> node.sidecars().open(settings);
                case SEARCH_REQUEST -> known(config, settings);
                default -> List.of();
            };
            boolean stored = pipelineContext.getPipelineSource() == Processor.PipelineSource.UPDATE_PIPELINE;
            return new RerankProcessor(tag, description, ignoreFailure, new RerankPipeline(settings, stored, sidecars), node);
        }

        private List<Endpoint> known(Config config, CallSettings settings) {
            List<Endpoint> known = node.sidecars().known(settings);
            if (known.size() < settings.urls().size()) {
                throw config.complaint(
                    CallSettings.URL,
                    "a pipeline in a search body may only use a url and connect_timeout_ms of a stored pipeline"
                );
            }
            return known;
        }
    }
}
