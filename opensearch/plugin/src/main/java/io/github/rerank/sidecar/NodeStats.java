package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.opensearch.action.support.nodes.BaseNodeResponse;
import org.opensearch.cluster.node.DiscoveryNode;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.common.io.stream.Writeable;
import org.opensearch.core.xcontent.ToXContentFragment;
import org.opensearch.core.xcontent.XContentBuilder;

/** One node's counters at one moment. */
final class NodeStats extends BaseNodeResponse implements ToXContentFragment {
    private final Counts counts;
    private final Latency latency;
    private final Latency sidecar;
    private final Neighbours neighbours;
    private final List<Circuit> circuits;

    private NodeStats(
        DiscoveryNode node,
        Counts counts,
        Latency latency,
        Latency sidecar,
        Neighbours neighbours,
        List<Circuit> circuits
    ) {
        super(node);
        this.counts = counts;
        this.latency = latency;
        this.sidecar = sidecar;
        this.neighbours = neighbours;
        this.circuits = circuits;
    }

    NodeStats(StreamInput in) throws IOException {
        super(in);
        counts = new Counts(in);
        latency = new Latency(in);
        sidecar = new Latency(in);
        neighbours = new Neighbours(in);
        circuits = in.readList(Circuit::new);
    }

    static NodeStats of(DiscoveryNode here, NodeServices node) {
        RerankStats stats = node.stats();
        return new NodeStats(
            here,
            Counts.of(stats),
            Latency.of(stats.latency),
            Latency.of(stats.sidecar),
            Neighbours.of(stats.neighbours),
            node.sidecars().all().stream().map(Circuit::of).toList()
        );
    }

    @Override
    public void writeTo(StreamOutput out) throws IOException {
        super.writeTo(out);
        counts.writeTo(out);
        latency.writeTo(out);
        sidecar.writeTo(out);
        neighbours.writeTo(out);
        out.writeList(circuits);
    }

    @Override
    public XContentBuilder toXContent(XContentBuilder builder, Params params) throws IOException {
        builder.startObject(getNode().getId()).field("name", getNode().getName());
        counts.write(builder);
        latency.write(builder, "latency_ms");
        sidecar.write(builder, "sidecar_ms");
        neighbours.write(builder);
        builder.startArray("sidecars");
        for (Circuit circuit : circuits) {
            circuit.write(builder);
        }
        return builder.endArray().endObject();
    }

    private record Counts(long searches, long applied, Map<String, Long> skipped, Map<String, Long> failed, long late, long inFlight)
        implements Writeable {

        static Counts of(RerankStats stats) {
            return new Counts(
                stats.searches.sum(),
                stats.applied.sum(),
                stats.skippedByReason(),
                stats.failedByReason(),
                stats.late.sum(),
                stats.inFlight.sum()
            );
        }

        Counts(StreamInput in) throws IOException {
            this(in.readVLong(), in.readVLong(), readCounts(in), readCounts(in), in.readVLong(), in.readZLong());
        }

        private static Map<String, Long> readCounts(StreamInput in) throws IOException {
            return in.readOrderedMap(StreamInput::readString, StreamInput::readVLong);
        }

        @Override
        public void writeTo(StreamOutput out) throws IOException {
            out.writeVLong(searches);
            out.writeVLong(applied);
            out.writeMap(skipped, StreamOutput::writeString, StreamOutput::writeVLong);
            out.writeMap(failed, StreamOutput::writeString, StreamOutput::writeVLong);
            out.writeVLong(late);
            out.writeZLong(inFlight);
        }

        void write(XContentBuilder builder) throws IOException {
            builder.field("searches", searches).field("applied", applied);
            reasons(builder, "skipped", skipped);
            reasons(builder, "failed", failed);
            builder.field("late", late).field("in_flight", inFlight);
        }

        private static void reasons(XContentBuilder builder, String name, Map<String, Long> counts) throws IOException {
            long total = counts.values().stream().mapToLong(Long::longValue).sum();
            builder.startObject(name).field("total", total).startObject("reasons");
            for (Map.Entry<String, Long> reason : counts.entrySet()) {
                builder.field(reason.getKey(), reason.getValue());
            }
            builder.endObject().endObject();
        }
    }

    private record Neighbours(long asked, long failed, long added) implements Writeable {
        static Neighbours of(RerankStats.Neighbours stats) {
            return new Neighbours(stats.asked.sum(), stats.failed.sum(), stats.added.sum());
        }

        Neighbours(StreamInput in) throws IOException {
            this(in.readVLong(), in.readVLong(), in.readVLong());
        }

        @Override
        public void writeTo(StreamOutput out) throws IOException {
            out.writeVLong(asked);
            out.writeVLong(failed);
            out.writeVLong(added);
        }

        void write(XContentBuilder builder) throws IOException {
            builder.startObject("neighbours").field("asked", asked).field("failed", failed).field("added", added).endObject();
        }
    }

    private record Latency(long[] counts, double sumMs) implements Writeable {
        static Latency of(Histogram histogram) {
            return new Latency(histogram.counts(), histogram.sumMs());
        }

        Latency(StreamInput in) throws IOException {
            this(in.readVLongArray(), in.readDouble());
        }

        @Override
        public void writeTo(StreamOutput out) throws IOException {
            out.writeVLongArray(counts);
            out.writeDouble(sumMs);
        }

        void write(XContentBuilder builder, String name) throws IOException {
            long count = 0;
            for (long bucket : counts) {
                count += bucket;
            }
            builder.startObject(name).field("count", count).field("sum", sumMs).startArray("buckets");
            for (int i = 0; i < counts.length; i++) {
                builder.startObject();
                if (i < Histogram.BOUNDS_MS.length) {
                    builder.field("le", Histogram.BOUNDS_MS[i]);
                }
                builder.field("count", counts[i]).endObject();
            }
            builder.endArray().endObject();
        }
    }

    private record Circuit(String url, String state, int failuresInARow, int inFlight) implements Writeable {
        static Circuit of(Endpoint endpoint) {
            CircuitBreaker breaker = endpoint.breaker();
            return new Circuit(endpoint.uri().toString(), breaker.state().code(), breaker.failuresInARow(), endpoint.inFlight());
        }

        Circuit(StreamInput in) throws IOException {
            this(in.readString(), in.readString(), in.readVInt(), in.readVInt());
        }

        @Override
        public void writeTo(StreamOutput out) throws IOException {
            out.writeString(url);
            out.writeString(state);
            out.writeVInt(failuresInARow);
            out.writeVInt(inFlight);
        }

        void write(XContentBuilder builder) throws IOException {
            builder.startObject()
                .field("url", url)
                .field("circuit", state)
                .field("failures_in_a_row", failuresInARow)
                .field("in_flight", inFlight)
                .endObject();
        }
    }
}
