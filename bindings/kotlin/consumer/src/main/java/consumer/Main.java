package consumer;

import java.nio.file.Files;
import java.nio.file.Path;
import skipclient.ClientOptions;
import skipclient.SkipClient;
import skipclient.SkipException;

/** Gets a key of each end: URL of Alice, URL of Bob, CA file. */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        ClientOptions options = new ClientOptions();
        options.setCaPem(Files.readAllBytes(Path.of(arguments[2])));
        try (SkipClient alice = new SkipClient(arguments[0], options);
                SkipClient bob = new SkipClient(arguments[1], options);
                var key = alice.newKeyBlocking("Bob", 256);
                var same = bob.keyByIdBlocking(key.getKeyId(), "Alice")) {
            if (!key.equals(same)) {
                throw new AssertionError("the keys differ");
            }
            System.out.println(key + " at both ends");
        } catch (SkipException failure) {
            System.err.println(failure.getMessage() + "; " + failure.getHint());
            throw failure;
        }
    }
}
