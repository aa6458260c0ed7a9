package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.opensearch.common.xcontent.XContentHelper;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.DeprecationHandler;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.core.xcontent.XContentParser;

/**
 * Reads the model's roles out of {@code _source} in one pass over the tokens; everything else, vectors above all, is skipped
 * without being materialised. Objects, arrays of objects and dotted keys all lead to the same path; a path that ends at an
 * object stands for all the values in it, those that another role's path leads to as well.
 */
final class HitFields {
    private final Node root = new Node();
    private final List<String> roles;
    private final int maxChars;

    HitFields(Map<String, String> fields, int maxChars) {
        this.roles = List.copyOf(fields.keySet());
        this.maxChars = maxChars;
        fields.forEach((role, path) -> root.grow(path).roles.add(role));
        root.handDown(List.of());
    }

    /**
     * Role to text, number, or list of texts; empty roles are left out. The order is that of the settings, not of the document:
     * the sidecar recognises documents by these bytes, and a filtered source has its fields in another order.
     */
    Map<String, Object> read(BytesReference source) throws IOException {
        Reading reading = new Reading();
        try (XContentParser parser = parser(source)) {
            if (parser.nextToken() == XContentParser.Token.START_OBJECT) {
                object(parser, root, reading);
            }
        }
        return reading.fields();
    }

    private static XContentParser parser(BytesReference source) throws IOException {
        return XContentHelper.createParser(
            NamedXContentRegistry.EMPTY,
            DeprecationHandler.IGNORE_DEPRECATIONS,
            source,
            SourceFormat.of(source)
        );
    }

    private void object(XContentParser parser, Node node, Reading reading) throws IOException {
        while (parser.nextToken() != XContentParser.Token.END_OBJECT) {
            Node child = node.step(parser.currentName());
            parser.nextToken();
            if (child == null) {
                parser.skipChildren();
            } else {
                value(parser, child, reading);
            }
        }
    }

    private void value(XContentParser parser, Node node, Reading reading) throws IOException {
        switch (parser.currentToken()) {
            case START_OBJECT -> object(parser, node, reading);
            case START_ARRAY -> {
                while (parser.nextToken() != XContentParser.Token.END_ARRAY) {
                    value(parser, node, reading);
                }
            }
            case VALUE_NUMBER -> reading.add(node.roles, parser.text(), parser.numberValue());
            case VALUE_STRING -> reading.add(node.roles, parser.text(), null);
            case VALUE_BOOLEAN -> reading.add(node.roles, parser.booleanValue() ? "yes" : "no", null);
            default -> { }
        }
    }

    /** One name of a path, with the roles whose paths end here or above. */
    private static final class Node {
        private final Map<String, Node> children = new HashMap<>();
        private final List<String> roles = new ArrayList<>();
        /** Where names lead that no path goes on with; null where none of the values there has a role. */
        private Node rest;

        Node grow(String path) {
            Node node = this;
            for (String name : path.split("\\.")) {
                node = node.children.computeIfAbsent(name, unused -> new Node());
            }
            return node;
        }

        void handDown(List<String> fromAbove) {
            roles.addAll(fromAbove);
            children.values().forEach(child -> child.handDown(roles));
            if (roles.isEmpty() == false) {
                rest = new Node();
                rest.roles.addAll(roles);
                rest.rest = rest;
            }
        }

        Node step(String key) {
            if (key.indexOf('.') < 0) {
                return children.getOrDefault(key, rest);
            }
            Node node = this;
            for (String name : key.split("\\.")) {
                node = node.children.getOrDefault(name, node.rest);
                if (node == null) {
                    return null;
                }
            }
            return node;
        }
    }

    /** The values of one hit, by role, each role under its own budget of characters. */
    private final class Reading {
        private final Map<String, Values> byRole = new HashMap<>();

        void add(List<String> roles, String text, Number number) {
            String words = text.strip();
            if (words.isEmpty() == false) {
                roles.forEach(role -> byRole.computeIfAbsent(role, unused -> new Values(maxChars)).add(words, number));
            }
        }

        Map<String, Object> fields() {
            Map<String, Object> fields = new LinkedHashMap<>();
            for (String role : roles) {
                Values values = byRole.get(role);
                if (values != null) {
                    fields.put(role, values.shape());
                }
            }
            return fields;
        }
    }

    private static final class Values {
        private final List<String> texts = new ArrayList<>(1);
        private Number number;
        private int budget;

        Values(int budget) {
            this.budget = budget;
        }

        void add(String text, Number asNumber) {
            if (budget > 0) {
                String kept = Texts.cut(text, budget);
                texts.add(kept);
                budget -= text.length();
                number = asNumber;
            }
        }

        Object shape() {
            if (texts.size() > 1) {
                return texts;
            }
            return number == null ? texts.get(0) : number;
        }
    }
}
