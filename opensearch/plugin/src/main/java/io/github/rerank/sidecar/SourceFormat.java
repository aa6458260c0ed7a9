package io.github.rerank.sidecar;

import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.MediaType;
import org.opensearch.core.xcontent.MediaTypeRegistry;

/** Tells in which format a document was indexed. */
final class SourceFormat {
    private SourceFormat() {}

    /** Hits carry their source as bare bytes, so the server too has no other way than to look at them. */
    @SuppressWarnings("deprecation")
    static MediaType of(BytesReference source) {
        return MediaTypeRegistry.xContentType(source);
    }
}
