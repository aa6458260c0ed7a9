package io.github.rerank.sidecar;

/** Cutting of texts that leave the node. */
final class Texts {
    private Texts() {}

    /** The first {@code maxChars} characters, one fewer where the cut would part a surrogate pair. */
    static String cut(String text, int maxChars) {
        if (text.length() <= maxChars) {
            return text;
        }
        boolean partsPair = maxChars > 0 && Character.isHighSurrogate(text.charAt(maxChars - 1));
        return text.substring(0, partsPair ? maxChars - 1 : maxChars);
    }
}
