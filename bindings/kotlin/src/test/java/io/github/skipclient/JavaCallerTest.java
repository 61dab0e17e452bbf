package io.github.skipclient;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The API as Java sees it. */
class JavaCallerTest {
    @Test
    void theExchange() throws Exception {
        try (var pair = new KeyProviderPair()) {
            var options = new ClientOptions();
            options.setCaPem(pair.getCa());
            options.setTimeout(Duration.ofSeconds(5));
            try (var alice = new SkipClient(pair.getAlice(), options);
                    var bob = new SkipClient(List.of(pair.getBob()), options);
                    var key = alice.newKeyBlocking("Bob", 256)) {
                assertEquals("Alice", alice.capabilitiesBlocking().getLocalSystemId());
                assertEquals(256, key.getBits());
                int length = key.useBytes(bytes -> bytes.length);
                assertEquals(32, length);
                boolean direct = key.useBuffer(buffer -> buffer.isDirect());
                assertTrue(direct);
                try (var same = bob.keyByIdBlocking(key.getKeyId(), "Alice")) {
                    assertEquals(key, same);
                }
                try {
                    bob.keyByIdBlocking(key.getKeyId(), "Alice").close();
                    throw new AssertionError("the key came twice");
                } catch (SkipException.Rejected refused) {
                    assertEquals(Advice.NEW_KEY, refused.getAdvice());
                    assertEquals(400, refused.getStatus());
                }
                try (var salt = alice.entropyBlocking(128)) {
                    assertEquals(16, salt.getLength());
                }
            }
        }
    }

    @Test
    void theExchangeByFutures() throws Exception {
        try (var pair = new KeyProviderPair()) {
            var options = ClientOptions.builder().caPem(pair.getCa()).timeout(Duration.ofSeconds(5)).build();
            try (var alice = new SkipClient(pair.getAlice(), options);
                    var bob = new SkipClient(pair.getBob(), options)) {
                var equal = alice.newKeyAsync("Bob").thenCompose(key -> bob.keyByIdAsync(key.getKeyId(), "Alice")
                        .thenApply(same -> same.equals(key)));
                assertTrue(equal.get(60, TimeUnit.SECONDS));
                assertEquals("Bob", bob.capabilitiesAsync().get().getLocalSystemId());
                var failure = assertThrows(ExecutionException.class, () -> alice.newKeyAsync("Eve").get());
                assertTrue(failure.getCause() instanceof SkipException.UnknownRemote);
            }
        }
    }

    /** A fake in Java. */
    static final class FakeProvider extends KeyProvider {
        @Override
        public Key newKeyBlocking(String remote, Integer size, Duration timeout) throws SkipException {
            if (remote.equals("Eve")) {
                throw SkipException.of(ErrorCode.UNKNOWN_REMOTE, "not in the list");
            }
            return Key.of("00ff", new byte[32]);
        }
    }

    @Test
    void aFake() throws Exception {
        try (KeyProvider fake = new FakeProvider(); var key = fake.newKeyBlocking("Bob")) {
            assertEquals(256, key.getBits());
            assertEquals(key, fake.newKeyAsync("Bob", 256).get());
            assertThrows(SkipException.UnknownRemote.class, () -> fake.newKeyBlocking("Eve"));
        }
    }

    @Test
    void messages() throws SkipException {
        assertTrue(SkipMessages.isValid(MessageKind.ENTROPY, "{\"randomStr\": \"00ff00ff00ff00ff\", \"minentropy\": 64}"));
        assertEquals("/key", SkipMessages.validate(MessageKind.KEY, "{\"keyId\": \"00\"}").get(0).getPath());
        assertTrue(SkipMessages.isValid(MessageKind.KEY, "{\"keyId\": \"x-1\", \"key\": \"0011223344556677\"}", Rules.LENIENT));
        assertTrue(SkipMessages.matchesRemote(List.of("KP_*"), "KP_A"));
        assertEquals("Alice", Ikev2.decodeUsePpk(Ikev2.encodeUsePpk("Alice")));
        assertThrows(SkipException.InvalidArgument.class, () -> new SkipClient("http://kp"));
    }
}
