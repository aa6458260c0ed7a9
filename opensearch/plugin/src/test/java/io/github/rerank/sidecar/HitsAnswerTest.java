package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

class HitsAnswerTest {
    @TestFactory
    Stream<DynamicTest> answersAreJudgedAsTheContractSays() throws IOException {
        return Contract.cases("hits_answers.json").stream().map(each -> dynamicTest((String) each.get("name"), () -> judge(each)));
    }

    private static void judge(Map<String, Object> each) throws SidecarException {
        Reply reply = new Reply((int) each.get("status"), ((String) each.get("body")).getBytes(StandardCharsets.UTF_8));
        int hits = (int) each.get("hits");
        if (each.containsKey("failure")) {
            SidecarException failed = assertThrows(SidecarException.class, () -> HitsAnswer.of(reply, hits));
            assertEquals(each.get("failure"), failed.failure().code());
        } else {
            HitsAnswer answer = HitsAnswer.of(reply, hits);
            assertEquals(each.get("scores"), asDoubles(answer.scores()));
            assertEquals(each.get("model"), answer.model());
            assertEquals(each.get("read_as"), answer.readAs());
        }
    }

    private static List<Double> asDoubles(float[] scores) {
        List<Double> doubles = new ArrayList<>();
        for (float score : scores) {
            doubles.add((double) score);
        }
        return doubles;
    }
}
