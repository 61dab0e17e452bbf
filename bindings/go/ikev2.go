package skip

/*
#include <skip_client.h>
*/
import "C"

import "unsafe"

// EncodeUsePPK writes the IKEv2 payload USE_PPK (draft 5) with a localSystemID, or empty as RFC 8784 has it. nextPayload
// is the type of the payload behind it, 0 for none.
func EncodeUsePPK(localSystemID string, nextPayload byte) ([]byte, error) {
	return fill(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
		id, idLength := chars(localSystemID)
		if localSystemID == "" {
			id, idLength = nil, 0
		}
		return C.skip_ikev2_encode_use_ppk(id, idLength, C.uint8_t(nextPayload), buffer, capacity, length)
	})
}

// DecodeUsePPK reads the localSystemID of one whole payload USE_PPK; empty when it has none.
func DecodeUsePPK(payload []byte) (string, error) {
	id, err := fill(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
		data, size := octets(payload)
		return C.skip_ikev2_decode_use_ppk(data, size, buffer, capacity, length)
	})
	return string(id), err
}

// EncodePPKIdentity writes the IKEv2 payload PPK_IDENTITY with a keyId: as its text, which every known implementation
// takes, or with asOctets as the octets that its hexadecimal digits stand for.
func EncodePPKIdentity(keyID string, asOctets bool, nextPayload byte) ([]byte, error) {
	return fill(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
		id, idLength := chars(keyID)
		next := C.uint8_t(nextPayload)
		return C.skip_ikev2_encode_ppk_identity(id, idLength, C.bool(asOctets), next, buffer, capacity, length)
	})
}

// DecodePPKIdentity reads the keyId of one whole payload PPK_IDENTITY; with asOctets its octets become lower-case
// hexadecimal.
func DecodePPKIdentity(payload []byte, asOctets bool) (string, error) {
	id, err := fill(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
		data, size := octets(payload)
		return C.skip_ikev2_decode_ppk_identity(data, size, C.bool(asOctets), buffer, capacity, length)
	})
	return string(id), err
}

func octets(payload []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.SliceData(payload)), C.size_t(len(payload))
}
