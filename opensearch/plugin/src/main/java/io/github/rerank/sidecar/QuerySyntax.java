package io.github.rerank.sidecar;

import java.util.Set;
import java.util.function.IntPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The words that a text in query syntax wishes for: without its signs, operators and field names, and without the words that it
 * excludes, which a model would read as wished for. It follows the parsers of {@code query_string} and {@code simple_query_string};
 * what these refuse may come out in any way. There is no deadline here: every character is read a bounded number of times, patterns
 * match at one place only and give nothing back.
 */
final class QuerySyntax {
    /** What is read of a text: no model reads a tenth of it. */
    private static final int MAX_CHARS = 20_000;
    private static final Set<String> OPERATORS = Set.of("AND", "OR", "&&");
    private static final Pattern FIELD = Pattern.compile("[\\w.*-]++:\\s*+");
    private static final String NUMBER = "\\d*+(?:\\.\\d++)?+";
    private static final Pattern SLOP_AND_BOOST = Pattern.compile("(?:~" + NUMBER + ")?+(?:\\^" + NUMBER + ")?+(?=[\\s\"()|]|\\z)");

    private final String text;
    private final boolean simple;
    private final String boundaries;
    private final int[] closings;
    private final StringBuilder words = new StringBuilder();

    private QuerySyntax(String text, boolean simple) {
        this.text = Texts.cut(text, MAX_CHARS);
        this.simple = simple;
        this.boundaries = simple ? "\"()|~" : "\"()[]{}~^";
        this.closings = closings();
    }

    static String ofQueryString(String text) {
        return new QuerySyntax(text, false).wished();
    }

    /** It has signs alone: {@code 4:3}, {@code NOT} and {@code !} are words as they stand. */
    static String ofSimple(String text) {
        return new QuerySyntax(text, true).wished();
    }

    private String wished() {
        int at = 0;
        while (at < text.length()) {
            at = readToken(at);
        }
        return words.toString();
    }

    /** Where the next token begins; only there is a hyphen a sign. */
    private int readToken(int at) {
        char first = text.charAt(at);
        if (excludes(at)) {
            return operandEnd(at + 1);
        }
        if (closings[at] > 0 && first != '(') {
            return readSpan(at + 1, closings[at]);
        }
        if (first == '+' || isBoundary(first)) {
            words.append(' ');
            return first == ')' ? end(SLOP_AND_BOOST, at + 1) : at + 1;
        }
        int fieldEnd = fieldEnd(at);
        return fieldEnd > at ? fieldEnd : readWord(at, wordEnd(at));
    }

    /** A sign alone excludes nothing; two cancel each other out, or belong to a dashed line. */
    private boolean excludes(int at) {
        char sign = text.charAt(at);
        if (sign != '-' && (simple || sign != '!')) {
            return false;
        }
        return at + 1 < text.length() && text.charAt(at + 1) != sign && Character.isWhitespace(text.charAt(at + 1)) == false;
    }

    /** The end of what a sign at {@code from - 1} excludes: a phrase, a bracket with all that is in it, or a word. */
    private int operandEnd(int from) {
        int at = fieldEnd(from);
        return end(SLOP_AND_BOOST, closings[at] > 0 ? closings[at] + 1 : wordEnd(at));
    }

    /** A phrase, or a range such as {@code [10 TO 20]}: nothing in it excludes. */
    private int readSpan(int from, int end) {
        String span = text.substring(from, end);
        append(text.charAt(end) == '"' ? span : span.replaceAll("\\bTO\\b", " "));
        return end(SLOP_AND_BOOST, end + 1);
    }

    private int readWord(int from, int end) {
        String word = text.substring(from, end);
        if (simple == false && word.equals("NOT")) {
            return operandEnd(skip(end, Character::isWhitespace));
        }
        if (simple || OPERATORS.contains(word) == false) {
            append(word);
        }
        return end(SLOP_AND_BOOST, end);
    }

    /** A character behind a backslash is no sign. */
    private void append(String part) {
        for (int at = 0; at < part.length(); at++) {
            boolean last = at + 1 == part.length();
            if (part.charAt(at) == '\\' && last == false) {
                words.append(part.charAt(++at));
            } else {
                words.append(isSign(part.charAt(at), last) ? ' ' : part.charAt(at));
            }
        }
        words.append(' ');
    }

    private boolean isSign(char c, boolean last) {
        return simple ? c == '*' && last : "*|/\"\\".indexOf(c) >= 0;
    }

    private boolean isBoundary(int c) {
        return Character.isWhitespace(c) || boundaries.indexOf(c) >= 0;
    }

    private int fieldEnd(int from) {
        return simple ? from : end(FIELD, from);
    }

    private int wordEnd(int from) {
        return skip(from, c -> isBoundary(c) == false);
    }

    private int end(Pattern pattern, int from) {
        Matcher found = pattern.matcher(text).region(from, text.length());
        return found.lookingAt() ? found.end() : from;
    }

    private int skip(int from, IntPredicate skipped) {
        int at = from;
        while (at < text.length() && skipped.test(text.charAt(at))) {
            at += text.charAt(at) == '\\' ? 2 : 1;
        }
        return Math.min(at, text.length());
    }

    /**
     * For every quote and bracket that is closed, where that is, and 0 elsewhere. Found in one pass, however deep brackets nest: the
     * search for a closing quote comes to nothing once at most.
     */
    private int[] closings() {
        String opening = simple ? "(" : "([{";
        String closing = simple ? ")" : ")]}";
        int[] closings = new int[text.length() + 1];
        int[] open = new int[text.length()];
        int depth = 0;
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '\\') {
                at++;
            } else if (c == '"') {
                int end = skip(at + 1, each -> each != '"');
                if (end < text.length()) {
                    closings[at] = end;
                    at = end;
                }
            } else if (opening.indexOf(c) >= 0) {
                open[depth++] = at;
            } else if (closing.indexOf(c) >= 0 && depth > 0) {
                closings[open[--depth]] = at;
            }
        }
        return closings;
    }
}
