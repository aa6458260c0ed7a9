package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.List;
import org.opensearch.action.FailedNodeException;
import org.opensearch.action.support.nodes.BaseNodesRequest;
import org.opensearch.action.support.nodes.BaseNodesResponse;
import org.opensearch.cluster.ClusterName;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.xcontent.ToXContentFragment;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.transport.TransportRequest;

/** What nodes say to each other when the counters are asked for. */
final class StatsMessages {
    private StatsMessages() {}

    static final class Request extends BaseNodesRequest<Request> {
        Request() {
            super(new String[0]);
        }

        Request(StreamInput in) throws IOException {
            super(in);
        }
    }

    static final class NodeRequest extends TransportRequest {
        NodeRequest() {}

        NodeRequest(StreamInput in) throws IOException {
            super(in);
        }
    }

    static final class Response extends BaseNodesResponse<NodeStats> implements ToXContentFragment {
        Response(ClusterName cluster, List<NodeStats> nodes, List<FailedNodeException> failures) {
            super(cluster, nodes, failures);
        }

        Response(StreamInput in) throws IOException {
            super(in);
        }

        @Override
        protected List<NodeStats> readNodesFrom(StreamInput in) throws IOException {
            return in.readList(NodeStats::new);
        }

        @Override
        protected void writeNodesTo(StreamOutput out, List<NodeStats> nodes) throws IOException {
            out.writeList(nodes);
        }

        @Override
        public XContentBuilder toXContent(XContentBuilder builder, Params params) throws IOException {
            builder.startObject("nodes");
            for (NodeStats node : getNodes()) {
                node.toXContent(builder, params);
            }
            return builder.endObject();
        }
    }
}
