package io.github.rerank.sidecar;

/** Cutting and mending of texts that leave the node. */
final class Texts {
    private static final int REPLACEMENT = 0xFFFD;

    private Texts() {}

    /** The first {@code maxChars} characters, one fewer where the cut would part a surrogate pair, as Unicode that anybody reads. */
    static String cut(String text, int maxChars) {
        if (text.length() <= maxChars) {
            return wellFormed(text);
        }
        boolean partsPair = maxChars > 0 && Character.isHighSurrogate(text.charAt(maxChars - 1));
        return wellFormed(text.substring(0, partsPair ? maxChars - 1 : maxChars));
    }

    /**
     * Half a surrogate pair becomes U+FFFD. An index holds such texts where somebody cut an emoji in two; written out they are no
     * JSON, and one document would cost every page that it is on.
     */
    private static String wellFormed(String text) {
        if (text.chars().noneMatch(each -> Character.isSurrogate((char) each))) {
            return text;
        }
        StringBuilder mended = new StringBuilder(text.length());
        text.codePoints().forEach(each -> mended.appendCodePoint(isHalf(each) ? REPLACEMENT : each));
        return mended.toString();
    }

    private static boolean isHalf(int codePoint) {
        return Character.MIN_SURROGATE <= codePoint && codePoint <= Character.MAX_SURROGATE;
    }
}
