package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.List;
import org.opensearch.action.ActionType;
import org.opensearch.action.FailedNodeException;
import org.opensearch.action.support.ActionFilters;
import org.opensearch.action.support.nodes.TransportNodesAction;
import org.opensearch.cluster.service.ClusterService;
import org.opensearch.common.inject.Inject;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.threadpool.ThreadPool;
import org.opensearch.transport.TransportService;

/** Asks every node for its counters. */
public final class StatsAction extends TransportNodesAction<
    StatsMessages.Request,
    StatsMessages.Response,
    StatsMessages.NodeRequest,
    NodeStats> {

    static final ActionType<StatsMessages.Response> TYPE = new ActionType<>("cluster:monitor/rerank/stats", StatsMessages.Response::new);
    private final NodeServicesHolder holder;

    @Inject
    public StatsAction(
        ThreadPool threadPool,
        ClusterService clusterService,
        TransportService transportService,
        ActionFilters actionFilters,
        NodeServicesHolder holder
    ) {
        super(
            TYPE.name(),
            threadPool,
            clusterService,
            transportService,
            actionFilters,
            StatsMessages.Request::new,
            StatsMessages.NodeRequest::new,
            ThreadPool.Names.MANAGEMENT,
            NodeStats.class
        );
        this.holder = holder;
    }

    @Override
    protected StatsMessages.Response newResponse(
        StatsMessages.Request request,
        List<NodeStats> nodes,
        List<FailedNodeException> failures
    ) {
        return new StatsMessages.Response(clusterService.getClusterName(), nodes, failures);
    }

    @Override
    protected StatsMessages.NodeRequest newNodeRequest(StatsMessages.Request request) {
        return new StatsMessages.NodeRequest();
    }

    @Override
    protected NodeStats newNodeResponse(StreamInput in) throws IOException {
        return new NodeStats(in);
    }

    @Override
    protected NodeStats nodeOperation(StatsMessages.NodeRequest request) {
        return NodeStats.of(clusterService.localNode(), holder.node());
    }
}
