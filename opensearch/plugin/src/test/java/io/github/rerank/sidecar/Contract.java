package io.github.rerank.sidecar;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.common.xcontent.XContentHelper;
import org.opensearch.common.xcontent.json.JsonXContent;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.MediaTypeRegistry;
import org.opensearch.core.xcontent.XContentBuilder;

/** The JSON files that the sidecar's tests read too. */
final class Contract {
    private Contract() {}

    static Map<String, Object> read(String name) throws IOException {
        Path file = Path.of(System.getProperty("contract.dir")).resolve(name);
        try (InputStream json = Files.newInputStream(file)) {
            return XContentHelper.convertToMap(JsonXContent.jsonXContent, json, true);
        }
    }

    static List<Map<String, Object>> cases(String name) throws IOException {
        return list(read(name), "cases");
    }

    @SuppressWarnings("unchecked")
    static List<Map<String, Object>> list(Map<String, Object> object, String key) {
        return (List<Map<String, Object>>) object.get(key);
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Map<String, Object> object, String key) {
        return (Map<String, Object>) object.get(key);
    }

    static BytesReference bytes(Map<String, ?> object) throws IOException {
        try (XContentBuilder json = MediaTypeRegistry.contentBuilder(MediaTypeRegistry.JSON)) {
            return BytesReference.bytes(json.map(object));
        }
    }

    static Map<String, Object> parsed(byte[] json) {
        return XContentHelper.convertToMap(JsonXContent.jsonXContent, new String(json, java.nio.charset.StandardCharsets.UTF_8), true);
    }
}
