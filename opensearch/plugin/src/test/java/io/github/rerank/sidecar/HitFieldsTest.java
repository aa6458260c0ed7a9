package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.opensearch.common.xcontent.XContentType;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.MediaTypeRegistry;
import org.opensearch.core.xcontent.XContentBuilder;

class HitFieldsTest {
    private static Map<String, Object> read(Map<String, String> fields, Map<String, Object> source) throws IOException {
        return new HitFields(fields, 10).read(Contract.bytes(source));
    }

    @ParameterizedTest
    @EnumSource(XContentType.class)
    void everyFormatOfSourceIsRead(XContentType format) throws IOException {
        try (XContentBuilder builder = MediaTypeRegistry.contentBuilder(format)) {
            BytesReference source = BytesReference.bytes(builder.map(Map.of("a", Map.of("b", "red"), "vector", List.of(1.5, 2.5))));
            assertEquals(Map.of("title", "red"), new HitFields(Map.of("title", "a.b"), 10).read(source));
        }
    }

    @Test
    void objectsArraysAndDottedKeysLeadToTheSamePath() throws IOException {
        Map<String, String> fields = Map.of("title", "a.b.c");
        assertEquals(Map.of("title", "red"), read(fields, Map.of("a", Map.of("b", Map.of("c", "red")))));
        assertEquals(Map.of("title", "red"), read(fields, Map.of("a.b", Map.of("c", "red"))));
        assertEquals(Map.of("title", "red"), read(fields, Map.of("a.b.c", "red")));
        assertEquals(Map.of("title", List.of("red", "blue")), read(fields, Map.of("a", List.of(
            Map.of("b", Map.of("c", "red")), Map.of("b", List.of(Map.of("c", "blue"), Map.of("d", "no")))))));
    }

    @Test
    void aPathThatEndsAtAnObjectStandsForItsValues() throws IOException {
        assertEquals(Map.of("title", "cotton"), read(Map.of("title", "specs"), Map.of("specs", Map.of("fabric", Map.of("main", "cotton")))));
    }

    @Test
    void onePathMayServeTwoRoles() throws IOException {
        assertEquals(Map.of("title", "red", "name", "red"), read(Map.of("title", "a", "name", "a"), Map.of("a", "red")));
    }

    @Test
    void aPathMayEndWhereAnotherGoesOn() throws IOException {
        Map<String, String> fields = Map.of("title", "a", "brand", "a.b");
        assertEquals(Map.of("title", List.of("red", "blue"), "brand", "red"), read(fields, Map.of("a", inOrder("b", "red", "c", "blue"))));
        assertEquals(Map.of("title", "red", "brand", "red"), read(fields, Map.of("a", Map.of("b", Map.of("x", "red")))));
        assertEquals(Map.of("title", "red"), read(fields, Map.of("a", "red")));
    }

    @Test
    void aPathToAnObjectStandsForDottedKeysToo() throws IOException {
        Map<String, String> fields = Map.of("title", "a", "brand", "a.b");
        assertEquals(Map.of("title", "red"), read(Map.of("title", "a"), Map.of("a.c", "red")));
        assertEquals(Map.of("title", List.of("red", "blue"), "brand", "red"), read(fields, inOrder("a.b", "red", "a.c.d", "blue")));
        assertEquals(Map.of(), read(Map.of("title", "a.b"), Map.of("a.c", "red", "ab", "blue")));
    }

    private static Map<String, Object> inOrder(String first, Object one, String second, Object two) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put(first, one);
        map.put(second, two);
        return map;
    }

    @Test
    void textIsTrimmedAndTheRoleHasOneBudget() throws IOException {
        Map<String, Object> source = Map.of("a", List.of("  12345  ", "   ", "6789012345", "more"));
        assertEquals(Map.of("title", List.of("12345", "67890")), read(Map.of("title", "a"), source));
    }

    @Test
    void fieldsWithoutTextAreLeftOut() throws IOException {
        assertEquals(Map.of(), read(Map.of("title", "a", "brand", "b"), Map.of("a", "  ", "b", List.of(), "c", "red")));
    }

    @Test
    void rolesComeInTheOrderOfTheSettings() throws IOException {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("title", "z");
        fields.put("brand", "m");
        fields.put("color", "a");
        assertEquals(List.of("title", "brand", "color"), List.copyOf(read(fields, Map.of("a", "1", "m", "2", "z", "3")).keySet()));
    }
}
