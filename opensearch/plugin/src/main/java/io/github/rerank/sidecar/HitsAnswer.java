package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.opensearch.common.xcontent.json.JsonXContent;
import org.opensearch.core.xcontent.DeprecationHandler;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.core.xcontent.XContentParser.Token;

/**
 * A right answer of {@code POST /v1/hits}: one finite score per hit that was sent.
 *
 * @param scores aligned with the hits of the request
 * @param model the model's name and version, null where the sidecar does not say
 * @param readAs the query as the model read it, null where that is as it was sent
 */
record HitsAnswer(float[] scores, String model, String readAs) {
    static final String PATH = "hits";

    static HitsAnswer of(Reply reply, int expected) throws SidecarException {
        HitsAnswer answer = parse(reply.accepted());
        if (answer.scores.length != expected) {
            throw new SidecarException(Failure.WRONG_COUNT, answer.scores.length + " scores for " + expected + " hits");
        }
        for (float score : answer.scores) {
            if (Float.isFinite(score) == false) {
                throw new SidecarException(Failure.NOT_FINITE, "a score is not finite");
            }
        }
        return answer;
    }

    private static HitsAnswer parse(byte[] body) throws SidecarException {
        try (XContentParser parser = JsonXContent.jsonXContent.createParser(
            NamedXContentRegistry.EMPTY, DeprecationHandler.IGNORE_DEPRECATIONS, body)) {
            return object(parser);
        } catch (IOException | RuntimeException e) {
            throw new SidecarException(Failure.GARBAGE, String.valueOf(e.getMessage()));
        }
    }

    private static HitsAnswer object(XContentParser parser) throws IOException, SidecarException {
        float[] scores = null;
        String model = null;
        String readAs = null;
        require(parser.nextToken() == Token.START_OBJECT, "not an object");
        while (parser.nextToken() != Token.END_OBJECT) {
            require(parser.currentToken() == Token.FIELD_NAME, "cut off");
            String name = parser.currentName();
            parser.nextToken();
            if (name.equals("scores")) {
                scores = scores(parser);
            } else if (name.equals("model") && parser.currentToken() == Token.VALUE_STRING) {
                model = parser.text();
            } else if (name.equals("read_as") && parser.currentToken() == Token.VALUE_STRING) {
                readAs = parser.text();
            } else {
                parser.skipChildren();
            }
        }
        require(scores != null, "no scores");
        return new HitsAnswer(scores, model, readAs);
    }

    private static float[] scores(XContentParser parser) throws IOException, SidecarException {
        require(parser.currentToken() == Token.START_ARRAY, "scores are not a list");
        List<Float> scores = new ArrayList<>();
        while (parser.nextToken() != Token.END_ARRAY) {
            require(parser.currentToken() == Token.VALUE_NUMBER, "a score is not a number");
            scores.add((float) parser.doubleValue());
        }
        float[] array = new float[scores.size()];
        for (int i = 0; i < array.length; i++) {
            array[i] = scores.get(i);
        }
        return array;
    }

    private static void require(boolean condition, String otherwise) throws SidecarException {
        if (condition == false) {
            throw new SidecarException(Failure.GARBAGE, otherwise);
        }
    }
}
