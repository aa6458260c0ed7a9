package io.github.rerank.sidecar;

/** The form in which the node's services reach the transport action: injection needs a public class. */
public final class NodeServicesHolder {
    private final NodeServices node;

    NodeServicesHolder(NodeServices node) {
        this.node = node;
    }

    NodeServices node() {
        return node;
    }
}
