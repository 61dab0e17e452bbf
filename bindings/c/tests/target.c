/* The library under test: does a step for each line on stdin, and answers with a line. C11 and C++17.
 *
 * Words are separated by spaces and percent-encoded. A step says "ok" and what it found, or the code of its error. The
 * steps that tests/residue uses are spelled as there; `target URL --ca FILE [--cert FILE --key FILE]` and
 * `target URL --psk FILE` make its client. */
#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skip_client.h>

#define Z SKIP_NUL_TERMINATED
enum { WORDS = 40, HELD = 64, THREADS = 64 };

typedef struct {
    char *data; /* NULL for the word "-" */
    size_t length;
} word;

static skip_client *client;
static skip_key *keys[HELD];
static skip_entropy *entropies[HELD];
static size_t key_count, entropy_count;
static skip_capabilities *capabilities;
static skip_problems *problems;
static skip_cancel_token *token;
static skip_error *last;

static int digit(char c) {
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

/* Splits a line in place; each word keeps room for its NUL. */
static int split(char *line, word *words) {
    int count = 0;
    for (char *at = strtok(line, " \n"); at != NULL && count < WORDS; at = strtok(NULL, " \n")) {
        char *out = at;
        bool null = strcmp(at, "-") == 0;
        words[count].data = null ? NULL : at;
        for (const char *in = at; *in != '\0'; in++) {
            if (*in == '%') {
                *out++ = (char)(digit(in[1]) * 16 + digit(in[2]));
                in += 2;
            } else {
                *out++ = *in;
            }
        }
        *out = '\0';
        words[count++].length = null ? 0 : (size_t)(out - at);
    }
    return count;
}

static void say(const char *text, size_t length) {
    putchar(' ');
    if (length == 0) {
        putchar('-');
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c > ' ' && c < 127 && c != '%' && c != '-') {
            putchar(c);
        } else {
            printf("%%%02X", c);
        }
    }
}

static void say_number(long number) {
    printf(" %ld", number);
}

static void say_error(void) {
    size_t length;
    const char *text = skip_error_code_name(last, &length);
    assert(text[length] == '\0' && strlen(text) == length);
    fputs(text, stdout);
}

/* Keeps an error for the step `error`; true without one. */
static bool fine(skip_error *error) {
    if (error == NULL) {
        return true;
    }
    skip_error_free(last);
    last = error;
    say_error();
    return false;
}

static bool ok(skip_error *error) {
    if (!fine(error)) {
        return false;
    }
    fputs("ok", stdout);
    return true;
}

static bool is(const word *words, const char *name) {
    return strcmp(words[0].data, name) == 0;
}

static skip_error *set(skip_options *options, const word *w) {
    char *equals = (char *)memchr(w->data, '=', w->length);
    assert(equals != NULL);
    const char *value = equals + 1;
    size_t name = (size_t)(equals - w->data), length = w->length - name - 1;
    if (strncmp(w->data, "file:", 5) == 0) {
        return skip_options_set_file(options, w->data + 5, name - 5, value, length);
    }
    if (strncmp(w->data, "pskfile:", 8) == 0) {
        return skip_options_set_psk_file(options, value, length, w->data + 8, name - 8);
    }
    const char *const forms[] = {"raw", "hex", "base64", "words"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t form = strlen(forms[i]);
        if (strncmp(w->data, forms[i], form) == 0 && strncmp(w->data + form, "psk:", 4) == 0) {
            const char *identity = w->data + form + 4;
            return skip_options_set_psk(options, identity, name - form - 4, forms[i], Z, (const uint8_t *)value, length);
        }
    }
    return skip_options_set(options, w->data, name, value, length);
}

static bool make_client(const word *words, int count) {
    skip_options *options = skip_options_new();
    skip_error *error = NULL;
    for (int i = 2; i < count && error == NULL; i++) {
        error = set(options, &words[i]);
    }
    skip_client_free(client);
    client = NULL;
    if (error == NULL) {
        error = skip_client_new(words[1].data, words[1].length, options, &client);
    }
    skip_options_free(options);
    return ok(error);
}

static void wipe(uint8_t *buffer, size_t length) {
    volatile uint8_t *at = buffer;
    while (length-- > 0) {
        *at++ = 0;
    }
}

static void drop(void) {
    while (key_count > 0) {
        skip_key_free(keys[--key_count]);
    }
    while (entropy_count > 0) {
        skip_entropy_free(entropies[--entropy_count]);
    }
}

/* Whether the last two keys are equal: says the library, and say their bytes. */
static void equal(void) {
    uint8_t one[64], other[64];
    size_t a, b;
    const skip_key *x = keys[key_count - 1], *y = keys[key_count - 2];
    assert(skip_key_copy(x, one, sizeof one, &a) == NULL && skip_key_copy(y, other, sizeof other, &b) == NULL);
    bool same = skip_key_equal(x, y);
    assert(same == (a == b && memcmp(one, other, a) == 0));
    wipe(one, sizeof one);
    wipe(other, sizeof other);
    printf("ok %s", same ? "true" : "false");
}

static void say_problems(const skip_problems *list) {
    for (size_t i = 0; i < skip_problems_count(list); i++) {
        size_t length;
        const char *text = skip_problems_severity(list, i, &length);
        say(text, length);
        text = skip_problems_path(list, i, &length);
        say(text, length);
        text = skip_problems_code(list, i, &length);
        say(text, length);
        assert(skip_problems_message(list, i, &length) != NULL && length > 0);
        assert(skip_problems_section(list, i, &length) != NULL && length > 0);
    }
    assert(skip_problems_code(list, skip_problems_count(list), NULL) == NULL);
}

static void say_capabilities(void) {
    size_t length;
    const char *text = skip_capabilities_local_system_id(capabilities, &length);
    say(text, length);
    text = skip_capabilities_algorithm(capabilities, &length);
    say(text, length);
    say_number(skip_capabilities_supports_key(capabilities));
    say_number(skip_capabilities_supports_entropy(capabilities));
    say_number(skip_capabilities_matches_remote(capabilities, "Bob", Z));
    size_t count = skip_capabilities_remote_system_id_count(capabilities);
    for (size_t i = 0; i < count; i++) {
        text = skip_capabilities_remote_system_id(capabilities, i, &length);
        say(text, length);
    }
    assert(skip_capabilities_remote_system_id(capabilities, count, NULL) == NULL);
    say_problems(skip_capabilities_warnings(capabilities));
}

static void say_connection(void) {
    skip_connection *connection = skip_client_connection(client);
    fputs("ok", stdout);
    if (connection != NULL) {
        typedef const char *(*getter)(const skip_connection *, size_t *);
        const getter getters[] = {skip_connection_url, skip_connection_address, skip_connection_tls_version,
                                  skip_connection_cipher_suite, skip_connection_group};
        for (size_t i = 0; i < sizeof getters / sizeof *getters; i++) {
            size_t length;
            const char *text = getters[i](connection, &length);
            say(text, length);
        }
        size_t count = skip_connection_warning_count(connection);
        for (size_t i = 0; i < count; i++) {
            size_t length;
            const char *text = skip_connection_warning(connection, i, &length);
            say(text, length);
        }
        assert(skip_connection_warning(connection, count, NULL) == NULL);
    }
    skip_connection_free(connection);
}

static void say_last(void) {
    size_t length;
    say_error();
    say_number(skip_error_code(last));
    say_number(skip_error_side(last));
    say_number(skip_error_advice(last));
    say_number(skip_error_status(last));
    const char *text = skip_error_message(last, &length);
    say(text, length);
    text = skip_error_hint(last, &length);
    say(text, length);
    text = skip_error_provider_text(last, &length);
    say(text, length);
}

/* A function that fills a buffer is asked for the length, then with too little room, then with what it needs. */
typedef skip_error *(*filler)(const word *words, uint8_t *buffer, size_t capacity, size_t *length);

static void fill(filler ask, const word *words) {
    size_t length = 0;
    if (!fine(ask(words, NULL, 0, &length))) {
        return;
    }
    uint8_t *buffer = (uint8_t *)malloc(length + 1);
    size_t again = 0;
    if (length > 0) {
        skip_error *error = ask(words, buffer, length - 1, &again);
        assert(skip_error_code(error) == SKIP_CODE_INVALID_ARGUMENT && again == length);
        skip_error_free(error);
    }
    buffer[length] = 0xA5;
    if (ok(ask(words, buffer, length, &again))) {
        assert(again == length && buffer[length] == 0xA5);
        say((const char *)buffer, length);
    }
    wipe(buffer, length);
    free(buffer);
}

static skip_error *export_key(const word *w, uint8_t *buffer, size_t capacity, size_t *length) {
    return skip_key_export(keys[key_count - 1], w[1].data, w[1].length, buffer, capacity, length);
}

static skip_error *copy_entropy(const word *w, uint8_t *buffer, size_t capacity, size_t *length) {
    (void)w;
    return skip_entropy_copy(entropies[entropy_count - 1], buffer, capacity, length);
}

static skip_error *schema(const word *w, uint8_t *buffer, size_t capacity, size_t *length) {
    return skip_schema(w[1].data, w[1].length, w[2].data, w[2].length, buffer, capacity, length);
}

static skip_error *encode_use_ppk(const word *w, uint8_t *buffer, size_t capacity, size_t *length) {
    uint8_t next = (uint8_t)atoi(w[2].data);
    return skip_ikev2_encode_use_ppk(w[1].data, w[1].length, next, buffer, capacity, length);
}

static skip_error *decode_use_ppk(const word *w, uint8_t *buffer, size_t capacity, size_t *length) {
    return skip_ikev2_decode_use_ppk((const uint8_t *)w[1].data, w[1].length, buffer, capacity, length);
}

static skip_error *encode_ppk_identity(const word *w, uint8_t *buffer, size_t capacity, size_t *length) {
    bool octets = atoi(w[2].data) != 0;
    uint8_t next = (uint8_t)atoi(w[3].data);
    return skip_ikev2_encode_ppk_identity(w[1].data, w[1].length, octets, next, buffer, capacity, length);
}

static skip_error *decode_ppk_identity(const word *w, uint8_t *buffer, size_t capacity, size_t *length) {
    bool octets = atoi(w[2].data) != 0;
    return skip_ikev2_decode_ppk_identity((const uint8_t *)w[1].data, w[1].length, octets, buffer, capacity, length);
}

static void *fetch(void *unused) {
    (void)unused;
    skip_key *key = NULL;
    skip_error *error = skip_client_new_key(client, "Bob", Z, 256, token, &key);
    bool fetched = error == NULL && skip_key_bits(key) == 256;
    skip_error_free(error);
    skip_key_free(key);
    return fetched ? &client : NULL;
}

static void threads(int count) {
    pthread_t started[THREADS];
    int fetched = 0;
    for (int i = 0; i < count; i++) {
        assert(pthread_create(&started[i], NULL, fetch, NULL) == 0);
    }
    for (int i = 0; i < count; i++) {
        void *result;
        pthread_join(started[i], &result);
        fetched += result != NULL;
    }
    printf("ok %d", fetched);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double ended_at;
static long end_after;

static void *end_soon(void *how) {
    struct timespec delay = {end_after / 1000, end_after % 1000 * 1000000};
    nanosleep(&delay, NULL);
    ended_at = now();
    if (how != NULL) {
        skip_client_close(client);
    } else {
        skip_cancel(token);
    }
    return NULL;
}

static void step(word *words, int count);

/* A step that another thread ends after so many milliseconds; then how many the step went on after that. */
static void ended(word *words, int count, bool by_closing) {
    pthread_t thread;
    token = skip_cancel_token_new();
    end_after = atol(words[1].data);
    assert(pthread_create(&thread, NULL, end_soon, by_closing ? (void *)&client : NULL) == 0);
    step(words + 2, count - 2);
    double at = now();
    pthread_join(thread, NULL);
    say_number((long)((at - ended_at) * 1000));
    skip_cancel_token_free(token);
    token = NULL;
}

static void forked(word *words, int count) {
    fflush(stdout);
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        step(words + 1, count - 1);
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *next_line(void *unused) {
    (void)unused;
    return skip_log_next(600000);
}

/* Who waits for a line is woken when no more will come. */
static void woken(void) {
    pthread_t thread;
    void *line;
    skip_log_set_level(SKIP_LOG_LEVEL_DEBUG);
    assert(pthread_create(&thread, NULL, next_line, NULL) == 0);
    skip_log_set_level(SKIP_LOG_LEVEL_OFF);
    pthread_join(thread, &line);
    assert(line == NULL);
    fputs("ok", stdout);
}

static void say_line(const word *w) {
    size_t length;
    skip_log_line *line = skip_log_next((uint32_t)strtoul(w[1].data, NULL, 10));
    fputs("ok", stdout);
    if (line != NULL) {
        say_number(skip_log_line_level(line));
        const char *text = skip_log_line_text(line, &length);
        say(text, length);
        skip_log_line_free(line);
    }
}

/* NULL is an error, or nothing, everywhere. */
static void nulls(void) {
    size_t length = 7;
    uint8_t byte;
    bool valid = true;
    skip_key *key = NULL;
    skip_entropy *entropy = NULL;
    skip_client *none = NULL;
    skip_problems *list = NULL;
    skip_capabilities *offer = NULL;
    skip_error *errors[] = {
        skip_client_new(NULL, 3, NULL, &none),
        skip_client_new("https://localhost", Z, NULL, NULL),
        skip_client_capabilities(NULL, false, NULL, &offer),
        skip_client_new_key(NULL, "Bob", Z, 0, NULL, &key),
        skip_client_new_key(NULL, NULL, Z, 0, NULL, &key),
        skip_client_key_by_id(NULL, "00", Z, "Bob", Z, NULL, &key),
        skip_client_entropy(NULL, 0, NULL, &entropy),
        skip_options_set(NULL, "tls", Z, "auto", Z),
        skip_options_set_file(NULL, "ca", Z, "ca.pem", Z),
        skip_options_set_psk(NULL, "me", Z, "raw", Z, &byte, 1),
        skip_key_copy(NULL, &byte, 1, &length),
        skip_key_export(NULL, "hex", Z, &byte, 1, &length),
        skip_entropy_copy(NULL, &byte, 1, &length),
        skip_validate(NULL, Z, "{}", Z, false, &list),
        skip_validate("key", Z, NULL, Z, false, &list),
        skip_is_valid("key", Z, NULL, 5, false, &valid),
        skip_schema("key", Z, NULL, Z, &byte, 1, &length),
        skip_ikev2_decode_use_ppk(NULL, 9, &byte, 1, &length),
        skip_ikev2_encode_ppk_identity(NULL, 9, false, 0, &byte, 1, &length),
        skip_ikev2_decode_ppk_identity(NULL, 9, false, &byte, 1, &length),
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        assert(skip_error_code(errors[i]) == SKIP_CODE_INVALID_ARGUMENT);
        skip_error_free(errors[i]);
    }
    assert(!key && !entropy && !none && !list && !offer && !valid && length == 7);
    assert(skip_key_id(NULL, &length) == NULL && length == 0 && skip_key_bits(NULL) == 0);
    assert(skip_key_fingerprint(NULL, NULL) == NULL && skip_key_warnings(NULL) == NULL && !skip_key_equal(NULL, NULL));
    assert(skip_entropy_bits(NULL) == 0 && skip_entropy_warnings(NULL) == NULL);
    assert(skip_error_code(NULL) == SKIP_CODE_NONE && skip_error_message(NULL, NULL) == NULL);
    assert(skip_error_hint(NULL, NULL) == NULL && skip_error_provider_text(NULL, NULL) == NULL);
    assert(skip_error_side(NULL) == SKIP_SIDE_YOU && skip_error_advice(NULL) == SKIP_ADVICE_NO);
    assert(skip_error_status(NULL) == 0 && skip_problems_count(NULL) == 0 && skip_problems_path(NULL, 0, NULL) == NULL);
    assert(skip_capabilities_algorithm(NULL, NULL) == NULL && !skip_capabilities_supports_key(NULL));
    assert(skip_capabilities_remote_system_id_count(NULL) == 0 && !skip_capabilities_supports_entropy(NULL));
    assert(!skip_capabilities_matches_remote(NULL, NULL, 0) && !skip_matches_remote(NULL, Z, "Bob", Z));
    assert(skip_capabilities_warnings(NULL) == NULL && skip_client_connection(NULL) == NULL);
    assert(skip_connection_url(NULL, NULL) == NULL && skip_connection_warning_count(NULL) == 0);
    assert(skip_log_line_text(NULL, NULL) == NULL && skip_log_line_level(NULL) == SKIP_LOG_LEVEL_OFF);
    skip_log_line_free(NULL);
    skip_client_close(NULL);
    skip_cancel(NULL);
    skip_client_free(NULL);
    skip_options_free(NULL);
    skip_cancel_token_free(NULL);
    skip_key_free(NULL);
    skip_entropy_free(NULL);
    skip_capabilities_free(NULL);
    skip_problems_free(NULL);
    skip_connection_free(NULL);
    skip_error_free(NULL);
    fputs("ok", stdout);
}

static void step(word *words, int count) {
    const word *w = words;
    if (is(w, "client")) {
        make_client(w, count);
    } else if (is(w, "capabilities")) {
        skip_capabilities_free(capabilities);
        if (ok(skip_client_capabilities(client, true, token, &capabilities))) {
            say_capabilities();
        }
    } else if (is(w, "new_key")) {
        const word *remote = count > 1 ? &w[1] : NULL;
        uint32_t size = count > 2 ? (uint32_t)strtoul(w[2].data, NULL, 10) : 256;
        const char *id = remote != NULL ? remote->data : "Bob";
        assert(key_count < HELD);
        if (ok(skip_client_new_key(client, id, remote != NULL ? remote->length : Z, size, token, &keys[key_count]))) {
            key_count++;
        }
    } else if (is(w, "key_by_id")) {
        const word *remote = count > 2 ? &w[2] : NULL;
        const char *id = remote != NULL ? remote->data : "Bob";
        assert(key_count < HELD);
        if (ok(skip_client_key_by_id(client, w[1].data, w[1].length, id, remote != NULL ? remote->length : Z, token,
                                     &keys[key_count]))) {
            key_count++;
        }
    } else if (is(w, "entropy")) {
        assert(entropy_count < HELD);
        uint32_t bits = count > 1 ? (uint32_t)strtoul(w[1].data, NULL, 10) : 0;
        if (ok(skip_client_entropy(client, bits, token, &entropies[entropy_count]))) {
            say_number(skip_entropy_bits(entropies[entropy_count]));
            say_problems(skip_entropy_warnings(entropies[entropy_count++]));
        }
    } else if (is(w, "copy_entropy")) {
        fill(copy_entropy, w);
    } else if (is(w, "drop")) {
        drop();
        fputs("ok", stdout);
    } else if (is(w, "close")) {
        skip_client_close(client);
        fputs("ok", stdout);
    } else if (is(w, "id")) {
        size_t length;
        const skip_key *key = keys[key_count - 1];
        fputs("ok", stdout);
        const char *text = skip_key_id(key, &length);
        say(text, length);
        say_number(skip_key_bits(key));
        text = skip_key_fingerprint(key, &length);
        say(text, length);
        say_problems(skip_key_warnings(key));
    } else if (is(w, "equal")) {
        equal();
    } else if (is(w, "export")) {
        fill(export_key, w);
    } else if (is(w, "error")) {
        say_last();
    } else if (is(w, "connection")) {
        say_connection();
    } else if (is(w, "validate")) {
        bool lenient = atoi(w[3].data) != 0, valid = false;
        skip_problems_free(problems);
        const word *message = &w[2];
        if (ok(skip_validate(w[1].data, w[1].length, message->data, message->length, lenient, &problems))) {
            assert(skip_is_valid(w[1].data, w[1].length, message->data, message->length, lenient, &valid) == NULL);
            say_number(valid);
            say_problems(problems);
        }
    } else if (is(w, "matches")) {
        printf("ok %d", skip_matches_remote(w[1].data, w[1].length, w[2].data, w[2].length));
    } else if (is(w, "schema")) {
        fill(schema, w);
    } else if (is(w, "encode_use_ppk")) {
        fill(encode_use_ppk, w);
    } else if (is(w, "decode_use_ppk")) {
        fill(decode_use_ppk, w);
    } else if (is(w, "encode_ppk_identity")) {
        fill(encode_ppk_identity, w);
    } else if (is(w, "decode_ppk_identity")) {
        fill(decode_ppk_identity, w);
    } else if (is(w, "threads")) {
        threads(atoi(w[1].data));
    } else if (is(w, "cancelled")) {
        ended(words, count, false);
    } else if (is(w, "closed")) {
        ended(words, count, true);
    } else if (is(w, "log")) {
        skip_log_set_level((skip_log_level)atoi(w[1].data));
        fputs("ok", stdout);
    } else if (is(w, "line")) {
        say_line(w);
    } else if (is(w, "woken")) {
        woken();
    } else if (is(w, "forked")) {
        forked(words, count);
    } else if (is(w, "nulls")) {
        nulls();
    } else if (is(w, "options")) {
        fputs("ok", stdout);
        for (size_t i = 0, length; skip_option_name(i, &length) != NULL; i++) {
            say(skip_option_name(i, &length), length);
            assert(skip_option_help(i, &length) != NULL && length > 0);
        }
    } else if (is(w, "version")) {
        size_t length;
        const char *text = skip_version(&length);
        fputs("ok", stdout);
        say(text, length);
    } else {
        fprintf(stderr, "no step is called %s\n", w[0].data);
        abort();
    }
}

static void client_of_arguments(int count, char **arguments) {
    skip_options *options = skip_options_new();
    assert(skip_options_set(options, "timeout", Z, "2", Z) == NULL);
    for (int i = 2; i < count; i++) {
        skip_error *error = NULL;
        if (strcmp(arguments[i], "--legacy") == 0) {
            error = skip_options_set(options, "legacy", Z, "true", Z);
        } else if (i + 1 < count) {
            error = skip_options_set_file(options, arguments[i] + 2, Z, arguments[i + 1], Z);
            i++;
        }
        assert(error == NULL);
    }
    assert(skip_client_new(arguments[1], Z, options, &client) == NULL);
    skip_options_free(options);
}

int main(int count, char **arguments) {
    static char line[300000];
    if (count > 1) {
        client_of_arguments(count, arguments);
    }
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        word words[WORDS];
        int found = split(line, words);
        step(words, found);
        putchar('\n');
        fflush(stdout);
    }
    drop();
    skip_client_free(client);
    skip_capabilities_free(capabilities);
    skip_problems_free(problems);
    skip_error_free(last);
    return 0;
}
