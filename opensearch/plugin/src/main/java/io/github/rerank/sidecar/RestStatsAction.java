package io.github.rerank.sidecar;

import java.util.List;
import org.opensearch.rest.BaseRestHandler;
import org.opensearch.rest.RestRequest;
import org.opensearch.rest.action.RestActions.NodesResponseRestListener;
import org.opensearch.transport.client.node.NodeClient;

/** {@code GET /_plugins/_rerank/stats}. */
final class RestStatsAction extends BaseRestHandler {
    @Override
    public String getName() {
        return "rerank_stats_action";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.GET, "/_plugins/_rerank/stats"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        return channel -> client.execute(StatsAction.TYPE, new StatsMessages.Request(), new NodesResponseRestListener<>(channel));
    }
}
