package skip

/*
#include <skip_client.h>
*/
import "C"

import "unsafe"

// EncodeUsePPK encodes a USE_PPK payload (draft 5) with a localSystemID, or an empty one as in RFC
// 8784. nextPayload is the type of the payload that follows, 0 for none.
func EncodeUsePPK(localSystemID string, nextPayload byte) ([]byte, error) {
	return fill(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
		id, idLength := chars(localSystemID)
		if localSystemID == "" {
			id, idLength = nil, 0
		}
		return C.skip_ikev2_encode_use_ppk(id, idLength, C.uint8_t(nextPayload), buffer, capacity, length)
	})
}

// DecodeUsePPK decodes the localSystemID of one complete USE_PPK payload; empty if it has none.
func DecodeUsePPK(payload []byte) (string, error) {
	id, err := fill(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
		data, size := octets(payload)
		return C.skip_ikev2_decode_use_ppk(data, size, buffer, capacity, length)
	})
	return string(id), err
}

// EncodePPKIdentity encodes a PPK_IDENTITY payload with a keyId: as text, which every known
// implementation accepts, or with asOctets as the octets of its hexadecimal digits.
func EncodePPKIdentity(keyID string, asOctets bool, nextPayload byte) ([]byte, error) {
	return fill(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
		id, idLength := chars(keyID)
		next := C.uint8_t(nextPayload)
		return C.skip_ikev2_encode_ppk_identity(id, idLength, C.bool(asOctets), next, buffer, capacity, length)
	})
}

// DecodePPKIdentity decodes the keyId of one complete PPK_IDENTITY payload; with asOctets its
// octets become lower-case hexadecimal.
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
