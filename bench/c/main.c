/* Contestants in C: `bench skip-client|libcurl URL CA [PSK_FILE]`. Reads `warm N`, `cold N` or `many CALLERS N` from
 * stdin and prints a JSON line with the nanoseconds of each request; for `many` the total of all callers comes first. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>
#include <skip_client.h>

#define PATH "/key?remoteSystemID=Bob"

static char **arguments;

static void fail(const char *what) {
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

/* ---- this project ---- */

static void check(skip_error *error) {
    if (error) fail(skip_error_message(error, NULL));
}

static void *skip_make(void) {
    const size_t z = SKIP_NUL_TERMINATED;
    skip_options *options = skip_options_new();
    check(arguments[4] ? skip_options_set_file(options, "psk", z, arguments[4], z)
                       : skip_options_set_file(options, "ca", z, arguments[3], z));
    check(skip_options_set(options, "check_remote", z, "false", z));
    skip_client *kp;
    check(skip_client_new(arguments[2], z, options, &kp));
    skip_options_free(options);
    return kp;
}

static void skip_request(void *kp) {
    skip_key *key;
    uint8_t bytes[32];
    size_t length;
    check(skip_client_new_key(kp, "Bob", 3, 0, NULL, &key));
    check(skip_key_copy(key, bytes, sizeof bytes, &length));
    explicit_bzero(bytes, sizeof bytes);
    skip_key_free(key);
    if (length != 32) fail("not a key");
}

static void skip_end(void *kp) { skip_client_free(kp); }

/* ---- libcurl: one handle, used again for each request ---- */

struct reply {
    CURL *curl;
    struct curl_slist *headers;
    char body[4096];
    size_t length;
};

static size_t store(char *data, size_t one, size_t length, void *to) {
    struct reply *reply = to;
    if (length >= sizeof reply->body - reply->length) return 0;
    memcpy(reply->body + reply->length, data, one * length);
    reply->length += length;
    return length;
}

static void *curl_make(void) {
    struct reply *reply = calloc(1, sizeof *reply);
    char url[256];
    snprintf(url, sizeof url, "%s" PATH, arguments[2]);
    reply->curl = curl_easy_init();
    reply->headers = curl_slist_append(NULL, "Accept: application/json");
    reply->headers = curl_slist_append(reply->headers, "Cache-Control: no-store");
    curl_easy_setopt(reply->curl, CURLOPT_URL, url);
    curl_easy_setopt(reply->curl, CURLOPT_CAINFO, arguments[3]);
    curl_easy_setopt(reply->curl, CURLOPT_HTTPHEADER, reply->headers);
    curl_easy_setopt(reply->curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(reply->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(reply->curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(reply->curl, CURLOPT_WRITEFUNCTION, store);
    curl_easy_setopt(reply->curl, CURLOPT_WRITEDATA, reply);
    return reply;
}

/* the minimum that every user of such a response does */
static void curl_request(void *client) {
    struct reply *reply = client;
    reply->length = 0;
    CURLcode code = curl_easy_perform(reply->curl);
    if (code != CURLE_OK) fail(curl_easy_strerror(code));
    reply->body[reply->length] = 0;
    const char *digits = strstr(reply->body, "\"key\": \"");
    unsigned char key[32];
    if (!digits) fail("no key");
    for (int at = 0; at < 32; at++)
        if (sscanf(digits + 8 + 2 * at, "%2hhx", &key[at]) != 1) fail("not a key");
    if (digits[8 + 64] != '"') fail("not a key");
}

static void curl_end(void *client) {
    struct reply *reply = client;
    curl_easy_cleanup(reply->curl);
    curl_slist_free_all(reply->headers);
    free(reply);
}

/* ---- what all do ---- */

static void *(*make)(void) = skip_make;
static void (*request)(void *) = skip_request;
static void (*end)(void *) = skip_end;

static void times(void *client, int n, long long *found) {
    for (int at = 0; at < n; at++) {
        long long started = now();
        request(client);
        found[at] = now() - started;
    }
}

static pthread_barrier_t start;
static int each;

static void *caller(void *found) {
    void *client = make();
    request(client);
    pthread_barrier_wait(&start);
    times(client, each, found);
    end(client);
    return NULL;
}

static void many(int callers, long long *found) {
    pthread_t threads[callers];
    pthread_barrier_init(&start, NULL, callers + 1);
    for (int at = 0; at < callers; at++)
        if (pthread_create(&threads[at], NULL, caller, found + 1 + at * each)) fail("no thread");
    pthread_barrier_wait(&start);
    long long started = now();
    for (int at = 0; at < callers; at++) pthread_join(threads[at], NULL);
    found[0] = now() - started;
    pthread_barrier_destroy(&start);
}

int main(int count, char **given) {
    if (count < 4) fail("usage: bench NAME URL CA [PSK_FILE]");
    arguments = given;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!strcmp(given[1], "libcurl")) make = curl_make, request = curl_request, end = curl_end;
    void *warm = make();
    char line[64], command[16];
    while (fgets(line, sizeof line, stdin)) {
        int n = 0;
        each = 0;
        if (sscanf(line, "%15s %d %d", command, &n, &each) < 2) fail("no such command");
        int number = each ? 1 + n * each : n;
        long long *found = calloc(number, sizeof *found);
        if (!strcmp(command, "warm")) {
            times(warm, n, found);
        } else if (!strcmp(command, "cold")) {
            for (int at = 0; at < n; at++) {
                long long started = now();
                void *client = make();
                request(client);
                found[at] = now() - started;
                end(client);
            }
        } else {
            many(n, found);
        }
        for (int at = 0; at < number; at++) printf("%s%lld", at ? ", " : "[", found[at]);
        printf("]\n");
        fflush(stdout);
        free(found);
    }
    end(warm);
    return 0;
}
