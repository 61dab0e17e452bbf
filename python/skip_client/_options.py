"""The options of a client that are not credentials, as a table that costs nothing to import."""

# name: (what it takes: on, off or a text or a number of seconds; one sentence of help)
OPTIONS = {
    # options:table begin (core/tests/front_ends.rs writes it)
    "server_name": (
        "text",
        "The name that the Key Provider's certificate must have, instead of the URL's host",
    ),
    "pin": (
        "text",
        "The Key Provider's public key must be this one: `sha256/BASE64`, the SHA-256 of its `SubjectPublicKeyInfo`",
    ),
    "tls": (
        "text",
        "Versions of TLS to offer: auto (1.3 and 1.2), 1.2 or 1.3",
    ),
    "forward_secrecy": (
        "on",
        "Refuse cipher suites without forward secrecy",
    ),
    "post_quantum": (
        "off",
        "Offer post-quantum key exchange (X25519MLKEM768), which makes the `ClientHello` more than 1200 bytes larger",
    ),
    "timeout": (
        "seconds",
        "Time for the whole call, in seconds",
    ),
    "connect_timeout": (
        "seconds",
        "Time for resolving the name, TCP and TLS of one Key Provider together, in seconds",
    ),
    "proxy": (
        "text",
        "URL of an HTTP proxy with CONNECT, for example `http://proxy:3128`; proxy environment variables are ignored",
    ),
    "source_address": (
        "text",
        "Local IP address to connect from",
    ),
    "lenient": (
        "on",
        "Accept some known deviations of real Key Providers from the draft",
    ),
    "check_remote": (
        "off",
        "Refuse locally what the capabilities exclude, such as a remote that they do not list",
    ),
    "wait_when_busy": (
        "seconds",
        "Total time to keep retrying while a Key Provider is busy (429, 503), in seconds",
    ),
    "legacy": (
        "on",
        "Also offer `TLS_RSA_WITH_AES_256_CBC_SHA256`, which Table 1 recommends but which is no longer secure",
    ),
    # options:table end
}
