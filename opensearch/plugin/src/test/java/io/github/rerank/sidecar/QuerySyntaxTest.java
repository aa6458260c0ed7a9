package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import java.time.Duration;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class QuerySyntaxTest {
    private static String queryString(String text) {
        return spaced(QuerySyntax.ofQueryString(text));
    }

    private static String simple(String text) {
        return spaced(QuerySyntax.ofSimple(text));
    }

    private static String spaced(String words) {
        return words.strip().replaceAll("\\s+", " ");
    }

    @ParameterizedTest
    @CsvSource({
        "red -blue, red",
        "red +-blue, red",
        "red !(blue OR green), red",
        "red -(blue (dark green) grey) shoe, red shoe",
        "red -\"a (b\" shoe, red shoe",
        "red -brand:\"Acme Corp\"~2^3 shoe, red shoe",
        "red -brand: acme shoe, red shoe",
        "red -price:[10 TO 20} shoe, red shoe",
        "red (wool -blue) shoe, red wool shoe",
        "red NOT \"dark blue\" shoe, red shoe",
        "red -blue~2 shoe, red shoe" })
    void aSignOfAQueryStringExcludesAPhraseABracketOrAWord(String text, String words) {
        assertEquals(words, queryString(text));
    }

    @ParameterizedTest
    @CsvSource({
        "red -blue, red",
        "red -\"dark blue\"~2 shoe, red shoe",
        "red -(blue (dark green) grey) shoe, red shoe",
        "(red -blue)|green, red green",
        "27\" monitor -(old used), 27 monitor" })
    void aHyphenOfASimpleQueryExcludesAPhraseABracketOrAWord(String text, String words) {
        assertEquals(words, simple(text));
    }

    @ParameterizedTest
    @ValueSource(strings = { "t-shirt", "wi-fi 6-port", "red - blue", "--help option", "c++ book", "yahoo!" })
    void aSignInsideAWordOrAloneExcludesNothing(String text) {
        assertEquals(text, queryString(text));
        assertEquals(text, simple(text));
    }

    @Test
    void nothingInAPhraseIsASign() {
        assertEquals("red -blue shoe", queryString("\"red -blue\" shoe"));
        assertEquals("DO NOT DISTURB sign", queryString("\"DO NOT DISTURB\" sign"));
        assertEquals("red -blue shoe", simple("\"red -blue\" shoe"));
    }

    @Test
    void aCharacterBehindABackslashIsNoSign() {
        assertEquals("re:zero -blue AC/DC", queryString("re\\:zero \\-blue AC\\/DC"));
        assertEquals("red -blue (new", simple("red \\-blue \\(new"));
    }

    @Test
    void toIsAnOperatorInsideARangeAlone() {
        assertEquals("how TO tie 10 20", queryString("how TO tie price:[10 TO 20]"));
    }

    @Test
    void signsOfASimpleQueryAreTakenOut() {
        assertEquals("red running shoe cott AC/DC 4*4", simple("+(red | \"running shoe\"~2) +cott* AC/DC~1 4*4"));
    }

    @Test
    void aLongListOfExcludedWordsIsExcludedWhole() {
        String brands = IntStream.range(0, 1_500).mapToObj(each -> "brand" + each).collect(Collectors.joining(" OR "));
        assertEquals("running shoes", queryString("running shoes -(" + brands + ")"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "-( ", "-(", "(-", "-\"", "- ", "NOT ", "NOT(", "a:", "-(a ", "~1^", "a~1", "(", "()", "[", "\\", "\\\"", "-", "*", "a" })
    void noTextTakesLong(String repeated) {
        String endless = repeated.repeat(300_000);
        assertTimeout(Duration.ofSeconds(5), () -> QuerySyntax.ofQueryString(endless));
        assertTimeout(Duration.ofSeconds(5), () -> QuerySyntax.ofSimple(endless));
    }
}
