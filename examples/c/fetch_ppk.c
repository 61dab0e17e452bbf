/* fetch_ppk URL CA KEYID REMOTE: the responder's side. The keyId came with PPK_IDENTITY; its key becomes the PPK.
 * cc fetch_ppk.c $(pkg-config --cflags --libs skip-client) */
#include <stdio.h>
#include <string.h>

#include <skip_client.h>

static int report(skip_error *error) {
    fprintf(stderr, "error: %s\nhint: %s\n", skip_error_message(error, NULL), skip_error_hint(error, NULL));
    /* the initiator has to request another key */
    int status = skip_error_advice(error) == SKIP_ADVICE_NEW_KEY ? 2 : 1;
    skip_error_free(error);
    return status;
}

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: fetch_ppk URL CA KEYID REMOTE\n");
        return 1;
    }
    const size_t z = SKIP_NUL_TERMINATED;
    skip_client *kp = NULL;
    skip_key *key = NULL;
    skip_options *options = skip_options_new();
    skip_error *error = skip_options_set_file(options, "ca", z, arguments[2], z);
    if (!error) error = skip_client_new(arguments[1], z, options, &kp);
    if (!error) error = skip_client_key_by_id(kp, arguments[3], z, arguments[4], z, NULL, &key);

    uint8_t ppk[512];
    size_t length = 0;
    if (!error) error = skip_key_copy(key, ppk, sizeof ppk, &length);
    if (!error) {
        /* here the key becomes IKE's PPK; people compare fingerprints, not keys */
        printf("%s: %zu bits, fingerprint %s\n", skip_key_id(key, NULL), length * 8, skip_key_fingerprint(key, NULL));
        explicit_bzero(ppk, sizeof ppk);
    }
    skip_key_free(key);
    skip_client_free(kp);
    skip_options_free(options);
    return error ? report(error) : 0;
}
