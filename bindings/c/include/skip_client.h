/* The C interface of skip-client: keys from a Key Provider of the Secure Key Integration Protocol
 * (draft-cisco-skip-02).
 *
 * Generated from bindings/c/src by cbindgen; the guide is docs/fetch-a-key-from-c.md.
 *
 * Errors. A function that can fail returns a skip_error, or NULL when it succeeded. An error is
 * freed with skip_error_free. On failure, the result that an out parameter points to is NULL, and
 * a length is what it says at the function.
 *
 * Handles. A handle is freed once, with the function of its type; NULL is ignored there. Freeing a
 * skip_client while another thread is inside one of its calls is a mistake: close it first and
 * wait. A skip_client, a skip_cancel_token and everything `const` can be used by several threads at
 * once.
 *
 * Strings. A string goes in as UTF-8 with its length in bytes, or with SKIP_NUL_TERMINATED. A
 * string that comes out belongs to the handle it was asked from; its length is stored when `length`
 * is not NULL, and a NUL follows it. A NULL handle gives NULL, 0 or false.
 *
 * Secrets. Keys and random bytes leave the library only into a buffer of the caller, who wipes it;
 * the library's own copy is wiped when the handle is freed. Errors and problems never contain one.
 *
 * Log. skip_log_set_level has lines about connections kept, and skip_log_next fetches them: the
 * library calls no function of the program, here or elsewhere.
 *
 * Forks. A child process may use a client that was made before the fork: it opens connections of
 * its own. A handle is freed in each process that has it. */


#ifndef SKIP_CLIENT_H
#define SKIP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Given as the length of a string that ends with a NUL.
 */
#define SKIP_NUL_TERMINATED SIZE_MAX

#ifdef __GNUC__
#define SKIP_CHECK_RESULT __attribute__((warn_unused_result))
#else
#define SKIP_CHECK_RESULT
#endif

/**
 * Error codes. Their numbers are stable; later versions may add some.
 */
typedef enum {
    /**
     * No error: the code of NULL.
     */
    SKIP_CODE_NONE = 0,
    /**
     * An argument is invalid; nothing was sent.
     */
    SKIP_CODE_INVALID_ARGUMENT = 1,
    /**
     * The Key Provider shares no keys with the remote; no key was requested.
     */
    SKIP_CODE_UNKNOWN_REMOTE = 2,
    /**
     * The Key Provider does not offer this method; nothing was requested.
     */
    SKIP_CODE_NOT_SUPPORTED = 3,
    /**
     * No connection could be made: name, address, route, port or proxy.
     */
    SKIP_CODE_CONNECT_FAILED = 4,
    /**
     * TCP connected, but the TLS handshake failed.
     */
    SKIP_CODE_TLS_FAILED = 5,
    /**
     * A deadline passed.
     */
    SKIP_CODE_TIMED_OUT = 6,
    /**
     * The connection was lost after all or part of the request had been sent, or the call was cancelled.
     */
    SKIP_CODE_CONNECTION_LOST = 7,
    /**
     * The Key Provider refused the request (400, 409, 410, 422 and other 4xx).
     */
    SKIP_CODE_REJECTED = 8,
    /**
     * The Key Provider does not accept this client (401, 403).
     */
    SKIP_CODE_UNAUTHORIZED = 9,
    /**
     * The Key Provider has no such path (404).
     */
    SKIP_CODE_NOT_FOUND = 10,
    /**
     * The Key Provider refused the method GET (405).
     */
    SKIP_CODE_METHOD_NOT_ALLOWED = 11,
    /**
     * The Key Provider is busy, or currently has no entropy (429, 503).
     */
    SKIP_CODE_BUSY = 12,
    /**
     * The Key Provider failed internally (5xx).
     */
    SKIP_CODE_PROVIDER_FAILED = 13,
    /**
     * A status without a meaning in SKIP.
     */
    SKIP_CODE_UNEXPECTED_STATUS = 14,
    /**
     * The reply does not conform to the draft.
     */
    SKIP_CODE_MALFORMED_RESPONSE = 15,
    /**
     * The reply is larger than any SKIP message can be.
     */
    SKIP_CODE_RESPONSE_TOO_LARGE = 16,
    /**
     * The reply has a different keyId from the one requested.
     */
    SKIP_CODE_KEY_ID_MISMATCH = 17,
    /**
     * The key or random string has a different length from the one requested.
     */
    SKIP_CODE_SIZE_MISMATCH = 18,
    /**
     * The key is all zeros, all ones, or can be read from its keyId.
     */
    SKIP_CODE_WEAK_KEY = 19,
    /**
     * A bug of this library was caught. Please report it.
     */
    SKIP_CODE_INTERNAL = 255,
} skip_code;

/**
 * The side at fault.
 */
typedef enum {
    /**
     * The caller: an invalid argument, or a request that this Key Provider does not support.
     */
    SKIP_SIDE_YOU = 1,
    /**
     * The network between the caller and the Key Provider.
     */
    SKIP_SIDE_NETWORK = 2,
    /**
     * The Key Provider refused the request.
     */
    SKIP_SIDE_PROVIDER_REFUSED = 3,
    /**
     * The Key Provider's reply is invalid.
     */
    SKIP_SIDE_PROVIDER_ANSWER = 4,
} skip_side;

/**
 * What to request next so that both encryptors end up with the same key.
 */
typedef enum {
    /**
     * Retrying will not help until something is changed.
     */
    SKIP_ADVICE_NO = 0,
    /**
     * No key was consumed: the same request can be retried.
     */
    SKIP_ADVICE_SAME_REQUEST = 1,
    /**
     * The key of this request may be lost: the initiator should request a new key and pass its keyId on.
     */
    SKIP_ADVICE_NEW_KEY = 2,
} skip_advice;

/**
 * Whose names an error's message and hint use for options and arguments.
 */
typedef enum {
    /**
     * Those of the table, as `skip_options_set` takes them: the default.
     */
    SKIP_SPELLING_C = 0,
    /**
     * Those of the package for Go: fields of `Options`.
     */
    SKIP_SPELLING_GO = 1,
} skip_spelling;

/**
 * How much is logged, and the level of a line.
 */
typedef enum {
    /**
     * Nothing is logged: the default.
     */
    SKIP_LOG_LEVEL_OFF = 0,
    /**
     * Warnings about connections, and failover to another Key Provider.
     */
    SKIP_LOG_LEVEL_WARNING = 1,
    /**
     * Also weaker handshakes with pre-shared keys, and waits for a busy Key Provider.
     */
    SKIP_LOG_LEVEL_INFO = 2,
    /**
     * Also new connections.
     */
    SKIP_LOG_LEVEL_DEBUG = 3,
} skip_log_level;

/**
 * Cancels calls from another thread, and can carry their timeout.
 */
typedef struct skip_cancel_token skip_cancel_token;

/**
 * The capabilities of a Key Provider.
 */
typedef struct skip_capabilities skip_capabilities;

/**
 * A client of one Key Provider, or of several in order of preference.
 */
typedef struct skip_client skip_client;

/**
 * Information about a connection.
 */
typedef struct skip_connection skip_connection;

/**
 * Random bytes; wiped when freed.
 */
typedef struct skip_entropy skip_entropy;

/**
 * An error.
 */
typedef struct skip_error skip_error;

/**
 * A key and its keyId; wiped when freed.
 */
typedef struct skip_key skip_key;

/**
 * A line of the log.
 */
typedef struct skip_log_line skip_log_line;

/**
 * Client options; see docs/fetch-a-key-from-c.md for the table.
 */
typedef struct skip_options skip_options;

/**
 * The problems of a message.
 */
typedef struct skip_problems skip_problems;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library, for example "0.1.0".
 */
const char *skip_version(size_t *length);

/**
 * Creates a client of the Key Provider at `url`, `https://host[:port][/path]`. Does not connect yet. `options` may be
 * NULL, and may be freed or changed afterwards.
 */
SKIP_CHECK_RESULT
skip_error *skip_client_new(const char *url,
                            size_t url_length,
                            const skip_options *options,
                            skip_client **client);

/**
 * The Key Provider's capabilities (draft 4.1): fetched once, then cached; `refresh` fetches them again. `cancel` may
 * be NULL, here and in all calls.
 */
SKIP_CHECK_RESULT
skip_error *skip_client_capabilities(const skip_client *client,
                                     bool refresh,
                                     const skip_cancel_token *cancel,
                                     skip_capabilities **capabilities);

/**
 * Requests a fresh key of `size` bits, shared with the Key Provider `remote` (draft 4.2): 0 for the Key Provider's
 * default size, otherwise a multiple of 8 from 8 to 65536.
 */
SKIP_CHECK_RESULT
skip_error *skip_client_new_key(const skip_client *client,
                                const char *remote,
                                size_t remote_length,
                                uint32_t size,
                                const skip_cancel_token *cancel,
                                skip_key **key);

/**
 * Requests the key that the initiator got from the Key Provider `remote` with `key_id` (draft 4.2). A Key Provider
 * gives it once.
 */
SKIP_CHECK_RESULT
skip_error *skip_client_key_by_id(const skip_client *client,
                                  const char *key_id,
                                  size_t key_id_length,
                                  const char *remote,
                                  size_t remote_length,
                                  const skip_cancel_token *cancel,
                                  skip_key **key);

/**
 * Requests random bytes with at least `bits` bits of entropy (draft 4.3): 0 for the Key Provider's default, otherwise
 * a multiple of 8 from 8 to 65536.
 */
SKIP_CHECK_RESULT
skip_error *skip_client_entropy(const skip_client *client,
                                uint32_t bits,
                                const skip_cancel_token *cancel,
                                skip_entropy **entropy);

/**
 * Information about the last connection; the result is NULL before the first one.
 */
skip_connection *skip_client_connection(const skip_client *client);

/**
 * Closes the idle connections and cancels the running calls, from any thread; later calls fail with
 * SKIP_CODE_INVALID_ARGUMENT.
 */
void skip_client_close(const skip_client *client);

/**
 * Closes and frees a client. Its keys remain valid.
 */
void skip_client_free(skip_client *client);

/**
 * Creates a token with which another thread can cancel calls.
 */
skip_cancel_token *skip_cancel_token_new(void);

/**
 * Gives calls that are started with this token from now on a timeout of so many milliseconds for the whole call, instead of
 * the client's; 0 means the client's again.
 */
void skip_cancel_token_set_timeout(const skip_cancel_token *token,
                                   uint32_t milliseconds);

/**
 * Cancels every call that uses this token, now or later, from any thread. Such a call fails with
 * SKIP_CODE_CONNECTION_LOST, and advice that depends on what was already sent.
 */
void skip_cancel(const skip_cancel_token *token);

/**
 * Frees a token. All calls that use it must have returned.
 */
void skip_cancel_token_free(skip_cancel_token *token);

/**
 * The URL of the Key Provider.
 */
const char *skip_connection_url(const skip_connection *connection, size_t *length);

/**
 * Address and port of the Key Provider, or of the proxy.
 */
const char *skip_connection_address(const skip_connection *connection, size_t *length);

/**
 * "TLS 1.2" or "TLS 1.3".
 */
const char *skip_connection_tls_version(const skip_connection *connection, size_t *length);

/**
 * The IANA name of the cipher suite.
 */
const char *skip_connection_cipher_suite(const skip_connection *connection, size_t *length);

/**
 * The key exchange group, for example "X25519MLKEM768"; NULL if there was none.
 */
const char *skip_connection_group(const skip_connection *connection, size_t *length);

/**
 * The number of warnings about deviations from Table 1 of the draft.
 */
size_t skip_connection_warning_count(const skip_connection *connection);

/**
 * A warning, counted from 0; NULL after the last one.
 */
const char *skip_connection_warning(const skip_connection *connection,
                                    size_t index,
                                    size_t *length);

/**
 * Frees a skip_connection.
 */
void skip_connection_free(skip_connection *connection);

/**
 * The code of an error, to switch on.
 */
skip_code skip_error_code(const skip_error *error);

/**
 * The name of the code, for example "busy": the same in every language of the project.
 */
const char *skip_error_code_name(const skip_error *error, size_t *length);

/**
 * The side at fault.
 */
skip_side skip_error_side(const skip_error *error);

/**
 * What to request next.
 */
skip_advice skip_error_advice(const skip_error *error);

/**
 * The HTTP status; 0 if the Key Provider did not reply.
 */
uint16_t skip_error_status(const skip_error *error);

/**
 * What happened, in one line, lower case and without a full stop.
 */
const char *skip_error_message(const skip_error *error, size_t *length);

/**
 * What to do about it.
 */
const char *skip_error_hint(const skip_error *error, size_t *length);

/**
 * The body of an error reply: printable text of at most 512 bytes, with anything that could be a key redacted; NULL if
 * there is none. It is not our text: show it to a person, do not log it.
 */
const char *skip_error_provider_text(const skip_error *error,
                                     size_t *length);

/**
 * Replaces the message and the hint with those in another spelling; earlier pointers to them become invalid.
 */
void skip_error_spell(skip_error *error,
                      skip_spelling spelling);

/**
 * Frees an error.
 */
void skip_error_free(skip_error *error);

/**
 * Encodes a USE_PPK payload with a localSystemID, or an empty one as in RFC 8784 if it is NULL. `next_payload` is the
 * type of the payload that follows, 0 for none. Buffer and length are as in skip_key_copy.
 */
SKIP_CHECK_RESULT
skip_error *skip_ikev2_encode_use_ppk(const char *local_system_id,
                                      size_t local_system_id_length,
                                      uint8_t next_payload,
                                      uint8_t *buffer,
                                      size_t capacity,
                                      size_t *length);

/**
 * Decodes the localSystemID of one complete USE_PPK payload; the length is 0 if it has none. Not NUL-terminated.
 */
SKIP_CHECK_RESULT
skip_error *skip_ikev2_decode_use_ppk(const uint8_t *payload,
                                      size_t payload_length,
                                      uint8_t *buffer,
                                      size_t capacity,
                                      size_t *length);

/**
 * Encodes a PPK_IDENTITY payload with a keyId: as its text, which every known implementation accepts, or with
 * `as_octets` as the octets encoded by its hexadecimal digits.
 */
SKIP_CHECK_RESULT
skip_error *skip_ikev2_encode_ppk_identity(const char *key_id,
                                           size_t key_id_length,
                                           bool as_octets,
                                           uint8_t next_payload,
                                           uint8_t *buffer,
                                           size_t capacity,
                                           size_t *length);

/**
 * Decodes the keyId of one complete PPK_IDENTITY payload; with `as_octets` its octets are converted to lower-case
 * hexadecimal. Not NUL-terminated.
 */
SKIP_CHECK_RESULT
skip_error *skip_ikev2_decode_ppk_identity(const uint8_t *payload,
                                           size_t payload_length,
                                           bool as_octets,
                                           uint8_t *buffer,
                                           size_t capacity,
                                           size_t *length);

/**
 * Queues log lines about the connections of all clients in this process, up to a level, for skip_log_next. When 1000 are queued, the
 * oldest are dropped. SKIP_LOG_LEVEL_OFF drops all, and wakes threads that wait for one. A child process sets its own level.
 */
void skip_log_set_level(skip_log_level level);

/**
 * The next line, to be freed with skip_log_line_free. If there is none, waits this many milliseconds for one, then returns NULL; 0 does
 * not wait. Usually called in a loop by a dedicated thread; the library never calls the program.
 */
skip_log_line *skip_log_next(uint32_t milliseconds);

/**
 * The level of a line.
 */
skip_log_level skip_log_line_level(const skip_log_line *line);

/**
 * The text of a line, without a line feed. It never contains a secret.
 */
const char *skip_log_line_text(const skip_log_line *line, size_t *length);

/**
 * Frees a line.
 */
void skip_log_line_free(skip_log_line *line);

/**
 * The Key Provider's own id (draft 4.1.1); empty if it is missing and the client is lenient.
 */
const char *skip_capabilities_local_system_id(const skip_capabilities *capabilities,
                                              size_t *length);

/**
 * How the Key Provider generates and synchronises keys, as free text.
 */
const char *skip_capabilities_algorithm(const skip_capabilities *capabilities, size_t *length);

/**
 * The number of remoteSystemIDs.
 */
size_t skip_capabilities_remote_system_id_count(const skip_capabilities *capabilities);

/**
 * One of the ids, or id patterns, of the Key Providers that share keys with this one (draft 4.1.2), counted from 0; NULL
 * after the last one.
 */
const char *skip_capabilities_remote_system_id(const skip_capabilities *capabilities,
                                               size_t index,
                                               size_t *length);

/**
 * Whether one of the remoteSystemIDs is, or matches, the id.
 */
bool skip_capabilities_matches_remote(const skip_capabilities *capabilities,
                                      const char *id,
                                      size_t id_length);

/**
 * Whether the Key Provider offers keys.
 */
bool skip_capabilities_supports_key(const skip_capabilities *capabilities);

/**
 * Whether the Key Provider offers random bytes.
 */
bool skip_capabilities_supports_entropy(const skip_capabilities *capabilities);

/**
 * Warnings about the message, which is valid; owned by the capabilities.
 */
const skip_problems *skip_capabilities_warnings(const skip_capabilities *capabilities);

/**
 * Frees capabilities.
 */
void skip_capabilities_free(skip_capabilities *capabilities);

/**
 * Lists the problems of a message of a kind ("capabilities", "key" or "entropy"). `lenient` accepts known deviations of
 * real Key Providers. The message is valid if no problem has the severity "error".
 */
SKIP_CHECK_RESULT
skip_error *skip_validate(const char *kind,
                          size_t kind_length,
                          const char *message,
                          size_t message_length,
                          bool lenient,
                          skip_problems **problems);

/**
 * Stores in `valid` whether a message has no problems other than warnings; see skip_validate.
 */
SKIP_CHECK_RESULT
skip_error *skip_is_valid(const char *kind,
                          size_t kind_length,
                          const char *message,
                          size_t message_length,
                          bool lenient,
                          bool *valid);

/**
 * The number of problems.
 */
size_t skip_problems_count(const skip_problems *problems);

/**
 * The location: a JSON Pointer (RFC 6901), empty for the whole message. Like all texts of problems, counted from 0, and
 * NULL after the last one.
 */
const char *skip_problems_path(const skip_problems *problems,
                               size_t index,
                               size_t *length);

/**
 * The stable code, for example "not_hex".
 */
const char *skip_problems_code(const skip_problems *problems, size_t index, size_t *length);

/**
 * A message for people. It never contains a value from the message.
 */
const char *skip_problems_message(const skip_problems *problems, size_t index, size_t *length);

/**
 * "error" or "warning".
 */
const char *skip_problems_severity(const skip_problems *problems, size_t index, size_t *length);

/**
 * The relevant section of the draft.
 */
const char *skip_problems_section(const skip_problems *problems, size_t index, size_t *length);

/**
 * Frees the result of skip_validate; not for warnings, which are owned by another handle.
 */
void skip_problems_free(skip_problems *problems);

/**
 * Whether an entry of a remoteSystemID list is, or matches, the id (draft 4.1.2, Table 5).
 */
bool skip_matches_remote(const char *entry, size_t entry_length, const char *id, size_t id_length);

/**
 * Copies the JSON Schema of a kind of message: "strict" (2020-12) or "as-published" (draft-04, as in the draft). Buffer
 * and length are as in skip_key_copy; not NUL-terminated.
 */
SKIP_CHECK_RESULT
skip_error *skip_schema(const char *kind,
                        size_t kind_length,
                        const char *style,
                        size_t style_length,
                        uint8_t *buffer,
                        size_t capacity,
                        size_t *length);

/**
 * Creates an empty set of options.
 */
skip_options *skip_options_new(void);

/**
 * Sets an option by name, for example "timeout" to "2.5" (seconds), "lenient" to "true", "ca" to certificates in PEM form
 * or to "system", "psk" to "identity:hex". The name "url" adds another Key Provider, which is used if those before it
 * cannot be reached.
 */
SKIP_CHECK_RESULT
skip_error *skip_options_set(skip_options *options,
                             const char *name,
                             size_t name_length,
                             const char *value,
                             size_t value_length);

/**
 * The same with a file for the value of "ca", "cert", "key", "key_password" or "psk". A client reads it when it is created,
 * and again before a call if it has changed. "cert" may be PKCS#12; a password is the first line of its file.
 */
SKIP_CHECK_RESULT
skip_error *skip_options_set_file(skip_options *options,
                                  const char *name,
                                  size_t name_length,
                                  const char *path,
                                  size_t path_length);

/**
 * The same with a file of pre-shared keys, of which `identity` selects a line or names the only one, if that has no name.
 */
SKIP_CHECK_RESULT
skip_error *skip_options_set_psk_file(skip_options *options,
                                      const char *path,
                                      size_t path_length,
                                      const char *identity,
                                      size_t identity_length);

/**
 * Sets the pre-shared key of TLS. `form` says how the key is written: "raw" (these bytes; for a key that is text on a
 * router, the bytes of the text), "hex" or "base64".
 */
SKIP_CHECK_RESULT
skip_error *skip_options_set_psk(skip_options *options,
                                 const char *identity,
                                 size_t identity_length,
                                 const char *form,
                                 size_t form_length,
                                 const uint8_t *key,
                                 size_t key_length);

/**
 * Wipes and frees options; clients created with them remain valid.
 */
void skip_options_free(skip_options *options);

/**
 * The name of an option, in the order of the table from 0; NULL after the last one.
 */
const char *skip_option_name(size_t index, size_t *length);

/**
 * The purpose of an option, in one sentence; NULL after the last one.
 */
const char *skip_option_help(size_t index, size_t *length);

/**
 * The keyId, as spelled by the Key Provider for a fresh key, and by the caller for a key requested by keyId.
 */
const char *skip_key_id(const skip_key *key,
                        size_t *length);

/**
 * The length of the key in bits.
 */
uint32_t skip_key_bits(const skip_key *key);

/**
 * Eight hexadecimal digits that match at both ends if the keys do. Intended for people, not for programs.
 */
const char *skip_key_fingerprint(const skip_key *key,
                                 size_t *length);

/**
 * Copies the key's bytes to `buffer` and stores their number in `length`. If the buffer is NULL, only the length is
 * stored; if it is too small, nothing is written and an error is returned.
 */
SKIP_CHECK_RESULT
skip_error *skip_key_copy(const skip_key *key,
                          uint8_t *buffer,
                          size_t capacity,
                          size_t *length);

/**
 * Copies the key in an export format: "hex", "base64", "raw", "strongswan", "libreswan", "vyos", "wireguard", "wpa" or
 * "cisco". Buffer and length are as in skip_key_copy; not NUL-terminated.
 */
SKIP_CHECK_RESULT
skip_error *skip_key_export(const skip_key *key,
                            const char *format,
                            size_t format_length,
                            uint8_t *buffer,
                            size_t capacity,
                            size_t *length);

/**
 * Whether two keys have the same bytes, in constant time; keyIds are not compared.
 */
bool skip_key_equal(const skip_key *one, const skip_key *other);

/**
 * Warnings about the reply, which is valid; owned by the key.
 */
const skip_problems *skip_key_warnings(const skip_key *key);

/**
 * Wipes and frees a key.
 */
void skip_key_free(skip_key *key);

/**
 * The entropy in bits that the Key Provider claims (minentropy), at least as much as was requested.
 */
uint32_t skip_entropy_bits(const skip_entropy *entropy);

/**
 * Copies the random bytes; buffer and length are as in skip_key_copy.
 */
SKIP_CHECK_RESULT
skip_error *skip_entropy_copy(const skip_entropy *entropy,
                              uint8_t *buffer,
                              size_t capacity,
                              size_t *length);

/**
 * Warnings about the reply, which is valid; owned by the entropy.
 */
const skip_problems *skip_entropy_warnings(const skip_entropy *entropy);

/**
 * Wipes and frees random bytes.
 */
void skip_entropy_free(skip_entropy *entropy);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SKIP_CLIENT_H */
