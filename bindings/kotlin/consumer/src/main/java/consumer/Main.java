package consumer;

import java.nio.file.Files;
import java.nio.file.Path;
import io.github.skipclient.ClientOptions;
import io.github.skipclient.SkipClient;
import io.github.skipclient.SkipException;

/** Gets keys of both ends, from Java and from Kotlin: URL of Alice, URL of Bob, CA file. */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        byte[] pem = Files.readAllBytes(Path.of(arguments[2]));
        ClientOptions options = ClientOptions.builder().caPem(pem).build();
        try (SkipClient alice = new SkipClient(arguments[0], options);
                SkipClient bob = new SkipClient(arguments[1], options);
                var key = alice.newKeyBlocking("Bob", 256);
                var same = bob.keyByIdBlocking(key.getKeyId(), "Alice")) {
            if (!key.equals(same)) {
                throw new AssertionError("the keys differ");
            }
            System.out.println(key + " at both ends");
            System.out.println(Exchange.run(arguments[0], arguments[1], pem) + " at both ends, in Kotlin");
        } catch (SkipException failure) {
            System.err.println(failure.getMessage() + "; " + failure.getHint());
            throw failure;
        }
    }
}
